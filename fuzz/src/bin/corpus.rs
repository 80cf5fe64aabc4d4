//! `corpus unpack TARGET FOLDER` and `corpus pack TARGET FOLDER`: between the kept corpus and the fuzzer's folder. `cargo xtask
//! fuzz` calls it.

use std::path::Path;
use std::process::ExitCode;

use fuzz::corpus;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["unpack", target, folder] => corpus::unpack(target, Path::new(folder)),
        ["pack", target, folder] => corpus::pack(target, Path::new(folder)),
        _ => {
            eprintln!("usage: corpus unpack|pack TARGET FOLDER");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("corpus: {error}");
            ExitCode::FAILURE
        }
    }
}
