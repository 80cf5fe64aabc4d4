//! Opening the page where there is a desktop.

/// Whether a browser window would be seen by anyone.
pub fn there_is_a_desktop() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(any(windows, target_os = "macos")) || is_set("WAYLAND_DISPLAY") || is_set("DISPLAY")
}

/// Opens the address in the user's browser. That it cannot be opened is worth a line, no more.
pub fn open(address: &str) {
    if let Err(error) = open::that_detached(address) {
        eprintln!("the browser cannot be opened ({error}); open {address} yourself");
    }
}
