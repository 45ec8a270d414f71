//! One client: negotiation, messages one after another, and the ways a connection ends.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::{FutureExt, SinkExt, StreamExt};
use pgwire::api::{ClientInfo, DefaultClient, PgWireConnectionState};
use pgwire::error::{ErrorInfo, PgWireError};
use pgwire::messages::response::{GssEncResponse, SslResponse, TransactionStatus};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage, SslNegotiationMetaMessage};
use pgwire::tokio::server::{PgWireMessageServerCodec, process_error, process_message};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::codec::Framed;

use super::handler::{Extended, Handler, session};
use super::socket::Socket;
use crate::activity::{Entry, Listed};

/// A client that has not introduced itself by then is dropped.
const STARTUP: Duration = Duration::from_secs(60);
/// How long a statement may go on when the server stops: less than the server waits, so that its client is told.
const LAST: Duration = Duration::from_secs(4);
/// How often a client whose statement runs is looked at: whether it is still there.
const LOOK: Duration = Duration::from_secs(1);

type Client = Framed<Socket, PgWireMessageServerCodec<Extended>>;

/// Serves one client until it leaves, breaks the protocol, or the server stops between two of its messages. Without a `place` it
/// is told that there is none; it may still cancel another's statement.
///
/// # Errors
/// What the socket says.
pub(super) async fn serve(
    socket: TcpStream,
    handler: Arc<Handler>,
    place: Option<OwnedSemaphorePermit>,
    stopping: watch::Receiver<bool>,
) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let codec = PgWireMessageServerCodec::new(DefaultClient::new(socket.peer_addr()?, false));
    let socket = Socket::new(socket);
    let mut client: Client = Framed::new(socket.clone(), codec);
    let ended = answer(&mut client, &socket, handler.clone(), place, stopping).await;
    if client.session_extensions().get::<Listed>().is_some() {
        handler.drop_temp(&session(&client)).await;
    }
    socket.send().await.and(ended)
}

/// What a session is while no statement of it runs, as pg_stat_activity says it.
fn resting(status: TransactionStatus) -> &'static str {
    match status {
        TransactionStatus::Idle => "idle",
        TransactionStatus::Transaction => "idle in transaction",
        TransactionStatus::Error => "idle in transaction (aborted)",
    }
}

/// Returns when somebody has ended the session.
async fn terminated(entry: Option<Arc<Entry>>) {
    match entry {
        Some(entry) => entry.ended().await,
        None => std::future::pending().await,
    }
}

/// What the client of a session is told that somebody has ended.
const TERMINATED: (&str, &str) = ("57P01", "terminating connection due to administrator command");

/// Answers messages one after another.
async fn answer(
    client: &mut Client,
    socket: &Socket,
    handler: Arc<Handler>,
    place: Option<OwnedSemaphorePermit>,
    mut stopping: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let startup = tokio::time::sleep(STARTUP);
    tokio::pin!(startup);
    loop {
        let introduced = !matches!(
            client.state(),
            PgWireConnectionState::AwaitingSslRequest
                | PgWireConnectionState::AwaitingStartup
                | PgWireConnectionState::AuthenticationInProgress
        );
        // The crate's decoder panics at some messages that are shorter than they must be. Most messages of a pipeline are there already.
        let stops = *stopping.borrow();
        let entry = client.session_extensions().get::<Arc<Entry>>().map(|entry| (*entry).clone());
        let there = if stops { None } else { AssertUnwindSafe(client.next()).catch_unwind().now_or_never() };
        let message = match there {
            Some(message) => message,
            None => {
                let silent = if introduced { session(client).lock().idle_timeout() } else { None };
                tokio::select! {
                    biased;
                    () = stopped(&mut stopping) => {
                        return refuse(client, "57P01", "terminating connection: the server is shutting down").await;
                    }
                    () = terminated(entry.clone()) => return refuse(client, TERMINATED.0, TERMINATED.1).await,
                    message = socket.meanwhile(AssertUnwindSafe(client.next()).catch_unwind()) => message,
                    () = idle(silent) => {
                        let message = "terminating connection due to idle-in-transaction timeout";
                        return refuse(client, "25P03", message).await;
                    }
                    () = &mut startup, if !introduced => return Ok(()),
                }
            }
        };
        let Ok(message) = message else {
            return refuse(client, "08P01", "terminating connection: a message was too short").await;
        };
        let message = match message {
            None | Some(Err(PgWireError::IoError(_))) => return Ok(()),
            Some(Err(error)) => return garbled(client, &error, introduced).await,
            Some(Ok(PgWireFrontendMessage::Terminate(_))) => return Ok(()),
            Some(Ok(PgWireFrontendMessage::SslNegotiation(asked))) => {
                negotiate(client, &asked).await?;
                continue;
            }
            Some(Ok(PgWireFrontendMessage::Startup(_))) if place.is_none() => {
                return refuse(client, "53300", "sorry, too many clients already").await;
            }
            Some(Ok(message)) => message,
        };
        let cancels = matches!(message, PgWireFrontendMessage::CancelRequest(_));
        let extended = match client.state() {
            PgWireConnectionState::CopyInProgress(extended) => extended,
            _ => message.is_extended_query(),
        };
        let (startup, copy) = (handler.clone(), handler.clone());
        let (simple, query, cancel) = (handler.clone(), handler.clone(), handler.clone());
        let done = {
            let mut work = pin!(process_message(message, client, startup, simple, query, copy, cancel));
            match futures::poll!(work.as_mut()) {
                Poll::Ready(done) => Some(Some(done)),
                Poll::Pending => tokio::select! {
                    done = socket.meanwhile(work) => Some(Some(done)),
                    // A statement whose client is gone ends here: what it computed is dropped with it.
                    () = gone(&socket.stream) => return Ok(()),
                    () = cut_off(&mut stopping) => Some(None),
                    () = terminated(entry.clone()) => None,
                },
            }
        };
        let done = match done {
            Some(Some(done)) => done,
            Some(None) => {
                let message = "terminating connection: the server shut down before the statement ended";
                return refuse(client, "57P01", message).await;
            }
            None => return refuse(client, TERMINATED.0, TERMINATED.1).await,
        };
        if let Some(entry) = &entry {
            entry.rests(resting(client.transaction_status()));
        }
        if let Err(error) = done {
            process_error(client, error, extended).await?;
        }
        if cancels {
            return Ok(());
        }
    }
}

/// Returns when a client has been silent in a transaction for as long as it may.
async fn idle(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // The sender lives as long as the server.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Returns when the server stops and a statement that runs has had its time.
async fn cut_off(stopping: &mut watch::Receiver<bool>) {
    stopped(stopping).await;
    tokio::time::sleep(LAST).await;
}

/// Returns when the other side has closed the connection.
async fn gone(socket: &TcpStream) {
    loop {
        tokio::time::sleep(LOOK).await;
        match socket.ready(Interest::READABLE).now_or_never() {
            Some(Ok(ready)) if ready.is_read_closed() => return,
            Some(Err(_)) => return,
            _ => {}
        }
    }
}

/// Encryption is not offered: clients that ask for it go on without, or leave.
async fn negotiate(client: &mut Client, asked: &SslNegotiationMetaMessage) -> std::io::Result<()> {
    match asked {
        SslNegotiationMetaMessage::PostgresSsl(_) => {
            client.send(PgWireBackendMessage::SslResponse(SslResponse::Refuse)).await
        }
        SslNegotiationMetaMessage::PostgresGss(_) => {
            client.send(PgWireBackendMessage::GssEncResponse(GssEncResponse::Refuse)).await
        }
        SslNegotiationMetaMessage::None => {
            client.set_state(PgWireConnectionState::AwaitingStartup);
            Ok(())
        }
    }
}

/// Tells a client why it is dropped.
async fn refuse(client: &mut Client, sqlstate: &str, message: &str) -> std::io::Result<()> {
    let info = ErrorInfo::new("FATAL".into(), sqlstate.into(), message.into());
    client.send(PgWireBackendMessage::ErrorResponse(info.into())).await
}

/// Bytes that are no message: what follows them cannot be understood either.
async fn garbled(client: &mut Client, error: &PgWireError, introduced: bool) -> std::io::Result<()> {
    let begin = client.read_buffer().get(..4).unwrap_or_default();
    if !introduced && [&b"GET "[..], b"POST", b"HEAD", b"PUT "].contains(&begin) {
        let text = "this port speaks PostgreSQL's protocol; HTTP is on the port given by --http-port\n";
        let head = format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
        let socket = client.get_mut();
        return tokio::io::AsyncWriteExt::write_all(socket, format!("{head}{text}").as_bytes()).await;
    }
    let message = if introduced {
        format!("terminating connection because protocol synchronization was lost: {error}")
    } else {
        format!("not a startup packet of PostgreSQL's protocol 3: {error}")
    };
    refuse(client, "08P01", &message).await
}
