//! Bodies that pass through a front server: counted, and truncated, corrupted or throttled by fault rules.
//! They are streamed and never buffered as a whole.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::HttpBody as _;
use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use tokio::sync::Notify;

use super::fault::{Action, Side};
use super::traffic::Exchange;

/// Number of pieces per second of a throttled body.
const PIECES_PER_SECOND: u64 = 50;

/// The fault of one body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alterations {
    cut: Option<u64>,
    corrupt: Option<u64>,
    bytes_per_second: Option<u64>,
}

struct Passage {
    source: BodyDataStream,
    side: Side,
    exchange: Arc<Exchange>,
    alterations: Alterations,
    /// Notified when the body is truncated.
    cut: Arc<Notify>,
    rest: Bytes,
    passed: u64,
    ended: bool,
}

impl Alterations {
    pub fn of(actions: &[Action], side: Side) -> Self {
        let mut alterations = Self::default();
        for action in actions {
            match action {
                Action::Cut { after, of } if *of == side => alterations.cut = Some(*after),
                Action::Corrupt { at, of } if *of == side => alterations.corrupt = Some(*at),
                Action::Throttle { bytes_per_second, of } if *of == side => {
                    alterations.bytes_per_second = Some((*bytes_per_second).max(1));
                }
                _ => {}
            }
        }
        alterations
    }
}

/// Wraps `body`: its bytes are added to the exchange's counter for that side.
pub fn watch(
    body: Body,
    side: Side,
    exchange: &Arc<Exchange>,
    alterations: Alterations,
    cut: &Arc<Notify>,
) -> Body {
    if body.size_hint().exact() == Some(0) {
        return Body::empty();
    }
    let passage = Passage {
        source: body.into_data_stream(),
        side,
        exchange: Arc::clone(exchange),
        alterations,
        cut: Arc::clone(cut),
        rest: Bytes::new(),
        passed: 0,
        ended: false,
    };
    Body::from_stream(futures::stream::unfold(passage, |mut passage| async {
        let piece = passage.next().await?;
        Some((piece, passage))
    }))
}

/// A body that fails before its first byte: the server then closes the connection without a response.
pub fn broken() -> Body {
    Body::from_stream(futures::stream::once(async { Err::<Bytes, _>(cut_error()) }))
}

fn cut_error() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "cut by a fault rule")
}

impl Passage {
    async fn next(&mut self) -> Option<Result<Bytes, io::Error>> {
        if self.ended {
            return None;
        }
        while self.rest.is_empty() {
            match self.source.next().await {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(io::Error::other(error)));
                }
                None => return None,
            }
        }
        let mut length = self.rest.len();
        if let Some(rate) = self.alterations.bytes_per_second {
            let piece = rate / PIECES_PER_SECOND;
            length = length.min(usize::try_from(piece.max(1)).unwrap_or(usize::MAX));
            let nanoseconds = (length as u64).saturating_mul(1_000_000_000) / rate;
            tokio::time::sleep(Duration::from_nanos(nanoseconds)).await;
        }
        if let Some(cut) = self.alterations.cut {
            let left = cut.saturating_sub(self.passed);
            if left == 0 {
                self.ended = true;
                self.cut.notify_one();
                return Some(Err(cut_error()));
            }
            length = length.min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        let piece = self.corrupted(self.rest.clone().split_to(length));
        self.rest = self.rest.split_off(length);
        self.passed += length as u64;
        self.counter().fetch_add(length as u64, Ordering::Relaxed);
        Some(Ok(piece))
    }

    fn corrupted(&self, piece: Bytes) -> Bytes {
        let offset = self.alterations.corrupt.and_then(|at| at.checked_sub(self.passed));
        let Some(offset) = offset.and_then(|offset| usize::try_from(offset).ok()) else {
            return piece;
        };
        if offset >= piece.len() {
            return piece;
        }
        let mut piece = BytesMut::from(piece);
        piece[offset] ^= 0xff;
        piece.freeze()
    }

    fn counter(&self) -> &AtomicU64 {
        match self.side {
            Side::Request => &self.exchange.received,
            Side::Response => &self.exchange.sent,
        }
    }
}
