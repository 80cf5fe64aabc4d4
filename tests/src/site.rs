//! The site under test, served on this machine.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use xtask::server::{Server, serve_under};

/// A name for this machine that browsers trust no more than any other on the network. They are told of it when they start.
pub(crate) const UNTRUSTED_HOST: &str = "ftqueue.test";

/// The built site, at some path of a server of its own.
#[derive(Debug)]
pub struct Site {
    folder: PathBuf,
    host: &'static str,
    path: &'static str,
    server: std::cell::RefCell<Option<Server>>,
    port: std::cell::Cell<u16>,
    is_copy: bool,
}

impl Site {
    /// The site as it was built, at the root of its server.
    pub fn built() -> Site {
        Site::under("/")
    }

    /// The site as it was built, under a path.
    pub fn under(path: &'static str) -> Site {
        Site::serve(built_folder(), path, false)
    }

    /// The site as it was built, as another machine would serve it without https: no secure context.
    pub fn over_plain_http() -> Site {
        let mut site = Site::built();
        site.host = UNTRUSTED_HOST;
        site
    }

    /// A copy with JavaScript that every node's Worker runs before its own.
    pub fn with_worker_script(name: &str, script: &str) -> Site {
        Site::with_script("worker.js", name, script)
    }

    /// A copy with JavaScript that the recorder's Worker runs beside its own.
    pub fn with_recorder_script(name: &str, script: &str) -> Site {
        Site::with_script("lockstep-worker.js", name, script)
    }

    /// A copy with more files, each of a name.
    pub fn with_files(name: &str, files: &[(&str, &str)]) -> Site {
        Site::changed(name, |folder| {
            for (file, text) in files {
                fs::write(folder.join(file), text).expect("a copy can be written");
            }
        })
    }

    fn with_script(file: &str, name: &str, script: &str) -> Site {
        Site::with_scripts(name, &[(file, script)])
    }

    /// A copy in which scripts of the site have something of a test's at their ends.
    pub fn with_scripts(name: &str, scripts: &[(&str, &str)]) -> Site {
        Site::changed(name, |folder| {
            for (file, script) in scripts {
                let file = found(folder, file);
                let own = fs::read_to_string(&file).expect("the site has the script");
                fs::write(&file, format!("{own}\n{script}\n")).expect("a copy can be written");
            }
        })
    }

    /// A copy that lacks a file.
    pub fn without(name: &str, file: &str) -> Site {
        Site::changed(name, |folder| {
            fs::remove_file(found(folder, file)).expect("a copy can be changed");
        })
    }

    /// A copy, for a test that puts something else in its place.
    pub fn copied(name: &str) -> Site {
        Site::changed(name, |_| {})
    }

    /// Puts another build in the place of this one, as a deploy does: what lies under the old build's name is gone. Returns the new name.
    pub fn deploy(&self) -> String {
        assert!(self.is_copy, "what was built is not to be changed");
        let folders = fs::read_dir(&self.folder).expect("the site can be read").flatten();
        let mut names =
            folders.filter_map(|entry| Some(entry.file_name().to_str()?.strip_prefix("build-")?.to_owned()));
        let old = names.next().expect("a site for hosts has its pieces in a folder");
        let new: String = old.chars().rev().collect();
        let path = |build: &str| self.folder.join(format!("build-{build}"));
        fs::rename(path(&old), path(&new)).expect("a folder can be renamed");
        for file in ["index.html", "sw.js"] {
            let file = self.folder.join(file);
            let text = fs::read_to_string(&file).expect("the site has it");
            fs::write(&file, text.replace(&old, &new)).expect("a copy can be written");
        }
        new
    }

    /// Ends the server; what has its address then takes every connection and answers none.
    pub fn hang(&self) -> TcpListener {
        self.go_offline();
        TcpListener::bind((Ipv4Addr::LOCALHOST, self.port.get())).expect("the port is still free")
    }

    /// From now on, whoever asks for the page gets this one, as from a network that wants its terms accepted; nothing else is there.
    pub fn gives_only(&self, page: &str) {
        assert!(self.is_copy, "what was built is not to be changed");
        fs::remove_dir_all(&self.folder).expect("a copy can be removed");
        fs::create_dir_all(&self.folder).expect("a folder can be made");
        if !page.is_empty() {
            fs::write(self.folder.join("index.html"), page).expect("a copy can be written");
        }
    }

    fn changed(name: &str, change: impl FnOnce(&Path)) -> Site {
        let folder = std::env::temp_dir().join(format!("ftqueue-site-{name}-{}", std::process::id()));
        copy(&built_folder(), &folder);
        change(&folder);
        Site::serve(folder, "/", true)
    }

    /// Where the page is.
    pub fn address(&self) -> String {
        format!("http://{}:{}{}", self.host, self.port.get(), self.path)
    }

    /// Ends the server, as if the network were gone.
    pub fn go_offline(&self) {
        self.server.borrow_mut().take();
    }

    fn serve(folder: PathBuf, path: &'static str, is_copy: bool) -> Site {
        let (port, server) = serve_under(&folder, path).expect("a port is free");
        Site {
            folder,
            host: "127.0.0.1",
            path,
            server: Some(server).into(),
            port: port.into(),
            is_copy,
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if self.is_copy {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn built_folder() -> PathBuf {
    let folder = std::env::var_os("FTQUEUE_SITE").expect(
        "run `cargo xtask test --only browser`, or set FTQUEUE_SITE to a folder that `cargo xtask dist` has written",
    );
    PathBuf::from(folder)
}

/// Where this file is: the pieces of a build lie in a folder that has its name.
fn found(folder: &Path, file: &str) -> PathBuf {
    let paths = xtask::site::files(folder).expect("the site can be read");
    let path = paths.iter().find(|path| path.ends_with(file));
    folder.join(path.unwrap_or_else(|| panic!("the site has a file {file}")))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder for temporary files");
    for entry in fs::read_dir(from).expect("the built site").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy can be written");
        }
    }
}
