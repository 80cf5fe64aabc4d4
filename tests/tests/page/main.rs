//! The page in a real browser, from outside. Every test has a browser with a fresh profile and a cluster of its own.

mod back;
mod bench;
mod causes;
mod controls;
mod deleting;
mod delivery;
mod elections;
mod endurance;
mod engines;
mod input;
mod keys;
mod latency;
mod lifecycle;
mod long;
mod looks;
mod opening;
mod policy;
mod promises;
mod room;
mod site;
mod storage;
mod tabs;
mod time;
mod translated;
mod typing;
