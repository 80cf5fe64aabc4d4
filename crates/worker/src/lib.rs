//! One FTQueue node in one dedicated Web Worker.
pub mod scope;
pub mod storage;
pub mod wake;
