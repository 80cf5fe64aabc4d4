//! A static server on this machine, for a person's browser and for a test's.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread::JoinHandle;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use tokio::sync::oneshot;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::policy;

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Serves `folder` at the root of 127.0.0.1, on a port that the system chooses. The server runs until the guard is
/// dropped.
pub fn serve(folder: &Path) -> io::Result<(u16, Server)> {
    serve_under(folder, "/")
}

/// Like [`serve`], with the folder's files under `path`, such as `/some/place`, as on a static host that has other
/// things at its root.
pub fn serve_under(folder: &Path, path: &str) -> io::Result<(u16, Server)> {
    let server = Server::start(folder, path, 0)?;
    Ok((server.port(), server))
}

impl Server {
    /// Serves `folder` under `path` on exactly this port of 127.0.0.1 (0: any).
    pub fn start(folder: &Path, path: &str, port: u16) -> io::Result<Server> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let router = router(folder, path);
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let thread = std::thread::Builder::new()
            .name("static server".into())
            .spawn(move || {
                runtime.block_on(async {
                    let listener =
                        tokio::net::TcpListener::from_std(listener).expect("a listener fit for this runtime");
                    // Not a graceful end: a browser keeps its connections open, and nobody wants to wait for it.
                    tokio::select! {
                        _ = axum::serve(listener, router) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Server {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Waits for as long as the server runs, which is until the program is interrupted.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn router(folder: &Path, path: &str) -> Router {
    let files = ServeDir::new(folder);
    let path = path.trim_end_matches('/');
    let mut router = if path.is_empty() {
        Router::new().fallback_service(files)
    } else {
        Router::new().nest_service(path, files)
    };
    for (name, value) in policy::headers() {
        let value = HeaderValue::from_str(&value).expect("a policy is plain text");
        router = router.layer(SetResponseHeaderLayer::overriding(HeaderName::from_static(name), value));
    }
    // A build follows a build on one address: nothing may come from a cache.
    router.layer(SetResponseHeaderLayer::overriding(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store"),
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::path::PathBuf;

    use super::*;

    /// A folder with one file of each kind, removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let folder = std::env::temp_dir().join(format!("ftqueue-server-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            for name in [
                "index.html",
                "style.css",
                "page.js",
                "page_bg.wasm",
                "icon.svg",
                "app.webmanifest",
            ] {
                fs::write(folder.join(name), name).unwrap();
            }
            Folder(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn get(port: u16, path: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.to_ascii_lowercase()
    }

    #[test]
    fn every_kind_of_file_has_its_type_and_none_is_cached() {
        let folder = Folder::new("types");
        let (port, _server) = serve(&folder.0).unwrap();
        for (path, kind) in [
            ("/", "text/html"),
            ("/?nodes=3", "text/html"),
            ("/style.css", "text/css"),
            ("/page.js", "text/javascript"),
            ("/page_bg.wasm", "application/wasm"),
            ("/icon.svg", "image/svg+xml"),
            ("/app.webmanifest", "application/manifest+json"),
        ] {
            let answer = get(port, path);
            assert!(answer.starts_with("http/1.1 200"), "{path}: {answer}");
            assert!(
                answer.contains(&format!("\r\ncontent-type: {kind}")),
                "{path}: {answer}"
            );
            assert!(answer.contains("\r\ncache-control: no-store"), "{path}: {answer}");
            let policy = format!("\r\ncontent-security-policy: {}\r\n", policy::content_security_policy());
            assert!(answer.contains(&policy), "{path}: {answer}");
        }
    }

    #[test]
    fn a_site_under_a_path_is_found_there_and_nowhere_else() {
        let folder = Folder::new("path");
        let (port, _server) = serve_under(&folder.0, "/some/place/").unwrap();
        assert!(get(port, "/some/place/").contains("index.html"));
        assert!(get(port, "/some/place/page.js").starts_with("http/1.1 200"));
        assert!(get(port, "/page.js").starts_with("http/1.1 404"));
    }

    #[test]
    fn nothing_outside_the_folder_is_served() {
        let folder = Folder::new("outside");
        let (port, _server) = serve(&folder.0).unwrap();
        for path in ["/../Cargo.toml", "/%2e%2e/Cargo.toml", "//etc/passwd"] {
            assert!(!get(port, path).starts_with("http/1.1 200"), "{path}");
        }
    }

    #[test]
    fn the_port_is_free_again_after_the_end() {
        let folder = Folder::new("end");
        let (port, server) = serve(&folder.0).unwrap();
        assert!(Server::start(&folder.0, "/", port).is_err(), "a port is not shared");
        drop(server);
        Server::start(&folder.0, "/", port).unwrap();
    }
}
