//! A static server on this machine, for a person's browser and for a test's.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread::JoinHandle;

use axum::Router;
use axum::http::{HeaderValue, header};
use tokio::sync::oneshot;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

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
    let router = if path.is_empty() {
        Router::new().fallback_service(files)
    } else {
        Router::new().nest_service(path, files)
    };
    // A build follows a build on one address: nothing may come from a cache.
    router.layer(SetResponseHeaderLayer::overriding(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store"),
    ))
}
