//! A client's socket. What is written to it waits until its connection has to wait for something, so that the answers to a pipeline
//! of statements go out together and none is held back.

use std::future::poll_fn;
use std::io::{ErrorKind, Result};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// So many bytes wait at most: then they go out before more are written.
const WAITING: usize = 64 << 10;

/// See the module. Its clones are the same socket: one may be asked whether the other side is gone, or to send what waits, while something
/// else reads or writes another.
#[derive(Clone)]
pub(super) struct Socket {
    pub(super) stream: Arc<TcpStream>,
    waiting: Arc<Mutex<BytesMut>>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Socket { stream: Arc::new(stream), waiting: Arc::default() }
    }

    fn poll_send(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut waiting = self.waiting.lock();
        while !waiting.is_empty() {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write(&waiting) {
                Ok(0) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Ok(count) => waiting.advance(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends all that waits.
    ///
    /// # Errors
    /// What the socket says.
    pub(super) async fn send(&self) -> Result<()> {
        poll_fn(|cx| self.poll_send(cx)).await
    }

    /// Does something; whenever it has to wait, what was written before goes out.
    pub(super) async fn meanwhile<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let polled = work.as_mut().poll(cx);
            if polled.is_pending() {
                // That the other side is gone is found by whoever reads.
                let _ = self.poll_send(cx);
            }
            polled
        })
        .await
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.stream.try_read(buf.initialize_unfilled()) {
                Ok(count) => {
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        if self.waiting.lock().len() >= WAITING {
            ready!(self.poll_send(cx))?;
        }
        self.waiting.lock().extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    /// What waits goes out by itself.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_send(cx)
    }
}
