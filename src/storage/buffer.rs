//! Bytes that gather before they are written: a few for everybody, many for whoever is fast.

use std::sync::{Mutex, PoisonError};

/// Bytes that everybody may gather. Ten thousand slow uploads do it at once.
const SMALL: usize = 3 << 10;
/// The memory that is kept for that between two writes. More is taken when a larger piece comes, and given back.
const KEPT: usize = 4 << 10;
/// What may gather in a large buffer, to be written with fewer calls ...
const LARGE: usize = 512 << 10;
/// ... and the memory of one: the last piece that fits begins below that.
const LARGE_MEMORY: usize = LARGE + (64 << 10);
/// So many large buffers there are at most.
const MOST_LARGE: usize = 64;

/// The large buffers. Their memory is kept for the next one: what comes fresh from the kernel must be cleared page by page.
static POOL: Mutex<Pool> = Mutex::new(Pool { lent: 0, free: Vec::new() });

struct Pool {
    lent: usize,
    free: Vec<Vec<u8>>,
}

/// Bytes that nobody has written yet.
#[derive(Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    large: bool,
}

impl Buffer {
    /// Takes a copy of a piece, since that may keep a larger piece of memory alive; `true` if it is time to write.
    pub fn gather(&mut self, piece: &[u8]) -> bool {
        if !self.large && self.bytes.len() + piece.len() >= SMALL {
            self.enlarge();
        }
        if !self.large {
            self.bytes.reserve_exact(piece.len().max(KEPT.saturating_sub(self.bytes.len())));
        }
        self.bytes.extend_from_slice(piece);
        self.bytes.len() >= if self.large { LARGE } else { SMALL }
    }

    /// Whether there is enough to be written, if nothing more comes for a while.
    #[must_use]
    pub fn is_worth_writing(&self) -> bool {
        self.bytes.len() >= SMALL
    }

    /// What has gathered.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets what has been written. A small piece of memory is kept: given back, ten thousand of them would leave holes.
    pub fn clear(&mut self) {
        self.give_back();
        self.bytes.clear();
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
    }

    fn enlarge(&mut self) {
        let Some(mut bytes) = Pool::take() else { return };
        bytes.extend_from_slice(&self.bytes);
        *self = Self { bytes, large: true };
    }

    fn give_back(&mut self) {
        if std::mem::take(&mut self.large) {
            Pool::give_back(std::mem::take(&mut self.bytes));
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Pool {
    fn take() -> Option<Vec<u8>> {
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.lent == MOST_LARGE {
            return None;
        }
        pool.lent += 1;
        let kept = pool.free.pop();
        drop(pool);
        Some(kept.unwrap_or_else(|| Vec::with_capacity(LARGE_MEMORY)))
    }

    fn give_back(mut bytes: Vec<u8>) {
        bytes.clear();
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        pool.lent -= 1;
        // A piece that did not fit has made it grow.
        if bytes.capacity() <= LARGE_MEMORY {
            pool.free.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_brings_little_gathers_little_and_who_brings_much_gathers_much_while_there_is_memory() {
        let mut slow = Buffer::default();
        assert!(!slow.gather(&[1; 1000]) && !slow.is_worth_writing());
        assert!(slow.bytes.capacity() <= KEPT);
        let mut fast: Vec<_> = (0..MOST_LARGE).map(|_| Buffer::default()).collect();
        assert!(fast.iter_mut().all(|buffer| !buffer.gather(&[2; SMALL])), "each has room for more");
        let mut late = Buffer::default();
        assert!(late.gather(&[3; SMALL]), "no large one is left, so it is written at once");
        fast[0].clear();
        assert!(!late.gather(&[3; SMALL]) && late.bytes() == [3; 2 * SMALL]);
        // A piece larger than any is kept whole, and its memory is not kept.
        assert!(late.gather(&vec![4; LARGE_MEMORY]) && late.bytes().len() == 2 * SMALL + LARGE_MEMORY);
        drop((late, fast));
        let pool = POOL.lock().expect("the pool");
        assert!(pool.lent == 0 && pool.free.len() < MOST_LARGE && pool.free.iter().all(|bytes| bytes.capacity() <= LARGE_MEMORY));
    }
}
