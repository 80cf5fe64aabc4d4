//! The page in a real Chromium, from outside. Every test has a browser with a fresh profile and a cluster of its own.

mod elections;
mod storage;
