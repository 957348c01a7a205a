//! Batches of a subset, prepared ahead of their use on a thread of their own.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::batch::{Batch, Cursor};
use super::measuring::measuring_batch;
use crate::dataset::{Subset, permutation};

/// The most finished batches that wait: enough to hide a page fault, few enough not to matter in memory.
const PREFETCHED: usize = 3;

/// An iterator over batches. Dropping it ends its thread.
#[derive(Debug)]
pub struct Batches {
    // Options only so that `drop` can let go of one before it waits for the other.
    receiver: Option<Receiver<Batch>>,
    reader: Option<JoinHandle<()>>,
    batches_per_epoch: usize,
}

impl Batches {
    /// An endless stream of batches, starting at `start`. Every epoch takes all images in a new order, which is a pure
    /// function of `seed` and the epoch. The last batch of an epoch may be smaller. An empty subset gives no batch at all.
    pub fn training(subset: &Subset, batch_size: NonZeroUsize, seed: u64, start: Cursor) -> Self {
        Self::spawn(subset, batch_size, move |subset, sender| {
            if subset.is_empty() {
                return;
            }
            let mut first = start.batch;
            for epoch in start.epoch.. {
                let mut order = permutation(subset.len() as u32, seed, epoch);
                order
                    .iter_mut()
                    .for_each(|position| *position = subset.indices()[*position as usize]);
                if send_epoch(
                    &subset,
                    &order,
                    batch_size,
                    Cursor {
                        epoch,
                        batch: first,
                    },
                    &sender,
                )
                .is_none()
                {
                    return;
                }
                first = 0;
            }
        })
    }

    /// One pass over the images in ascending order, for measuring.
    pub fn sequential(subset: &Subset, batch_size: NonZeroUsize) -> Self {
        Self::spawn(subset, batch_size, move |subset, sender| {
            // None means that nobody wants the rest.
            let _ = send_epoch(
                &subset,
                subset.indices(),
                batch_size,
                Cursor::default(),
                &sender,
            );
        })
    }

    /// One pass over the images in ascending order, in batches of [`measuring_batch`].
    pub fn measuring(subset: &Subset) -> Self {
        Self::sequential(subset, measuring_batch(subset.dataset().features()))
    }

    fn spawn(
        subset: &Subset,
        batch_size: NonZeroUsize,
        read: impl FnOnce(Subset, SyncSender<Batch>) + Send + 'static,
    ) -> Self {
        let (sender, receiver) = sync_channel(PREFETCHED);
        let batches_per_epoch = subset.len().div_ceil(batch_size.get());
        let subset = subset.clone();
        let reader = thread::spawn(move || read(subset, sender));
        Self {
            receiver: Some(receiver),
            reader: Some(reader),
            batches_per_epoch,
        }
    }

    /// Batches in one pass over the images, a smaller last one included.
    pub fn batches_per_epoch(&self) -> usize {
        self.batches_per_epoch
    }
}

/// Sends the batches of one epoch from `start` on; None as soon as nobody listens.
fn send_epoch(
    subset: &Subset,
    order: &[u32],
    batch_size: NonZeroUsize,
    start: Cursor,
    sender: &SyncSender<Batch>,
) -> Option<()> {
    for (batch, indices) in order.chunks(batch_size.get()).enumerate().skip(start.batch) {
        sender
            .send(Batch::read(
                subset.dataset(),
                indices,
                Cursor { batch, ..start },
            ))
            .ok()?;
    }
    Some(())
}

impl Iterator for Batches {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let batch = self.receiver.as_ref()?.recv().ok();
        if batch.is_none() {
            // The thread is done. If it panicked, the images did not end: pass the panic on.
            self.receiver = None;
            if let Some(Err(panic)) = self.reader.take().map(JoinHandle::join) {
                std::panic::resume_unwind(panic);
            }
        }
        batch
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        // Without a receiver the thread's next send fails, and it ends.
        self.receiver = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
