//! The page in a real browser, from outside. Every test has a browser with a fresh profile and a cluster of its own.

mod back;
mod bench;
mod controls;
mod delivery;
mod elections;
mod engines;
mod input;
mod keys;
mod looks;
mod opening;
mod policy;
mod site;
mod storage;
mod tabs;
mod time;
