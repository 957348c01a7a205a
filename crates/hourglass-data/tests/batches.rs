//! Batches: the same order whatever happens around them.

use std::num::NonZeroUsize;
use std::sync::Arc;

use hourglass_data::{Batch, Batches, Cursor, Dataset, Shape, Subset, permutation};

/// `count` images of two pixels; image i is [i, 255 - i], its label i.
fn subset(count: u8) -> Subset {
    let pixels = (0..count).flat_map(|image| [image, 255 - image]).collect();
    let shape = Shape::new(1, 1, 2);
    let dataset = Dataset::from_memory("made", shape, pixels, Some((0..count).collect())).unwrap();
    Subset::all(&Arc::new(dataset))
}

fn size(batch_size: usize) -> NonZeroUsize {
    NonZeroUsize::new(batch_size).unwrap()
}

fn training(count: usize, start: Cursor) -> Vec<Batch> {
    Batches::training(&subset(10), size(4), 5, start)
        .take(count)
        .collect()
}

#[test]
fn one_pass_is_in_order_and_keeps_the_rest() {
    let batches = Batches::sequential(&subset(10), size(4));
    assert_eq!(batches.batches_per_epoch(), 3);
    let batches: Vec<_> = batches.collect();
    assert_eq!(
        batches.iter().map(Batch::len).collect::<Vec<_>>(),
        [4, 4, 2]
    );
    assert_eq!(batches[2].indices, [8, 9]);
    assert_eq!(batches[2].labels, Some(vec![8, 9]));
    assert_eq!(
        batches[2].images,
        [8.0 / 255.0, 247.0 / 255.0, 9.0 / 255.0, 246.0 / 255.0]
    );
    assert_eq!((batches[2].epoch, batches[2].index_in_epoch), (0, 2));
}

#[test]
fn training_follows_the_permutations() {
    // Many more batches than are prefetched, taken at the thread's own pace and by fits and starts.
    for (epoch, batches) in training(60, Cursor::default()).chunks(3).enumerate() {
        let order: Vec<u32> = batches
            .iter()
            .flat_map(|batch| batch.indices.clone())
            .collect();
        assert_eq!(order, permutation(10, 5, epoch as u64));
        assert!(batches.iter().all(|batch| batch.epoch == epoch as u64));
        assert_eq!(
            batches
                .iter()
                .map(|batch| batch.index_in_epoch)
                .collect::<Vec<_>>(),
            [0, 1, 2]
        );
    }
}

#[test]
fn a_slow_reader_sees_the_same() {
    let mut slow = Vec::new();
    for batch in Batches::training(&subset(10), size(4), 5, Cursor::default()).take(12) {
        std::thread::sleep(std::time::Duration::from_millis(2));
        slow.push(batch);
    }
    assert_eq!(slow, training(12, Cursor::default()));
}

#[test]
fn any_cursor_goes_on_exactly() {
    let whole = training(12, Cursor::default());
    for steps in 0..12 {
        let rest = training(12 - steps, Cursor::after(steps as u64, 3));
        assert_eq!(rest, whole[steps..]);
    }
}

#[test]
fn a_cursor_behind_the_epoch_starts_the_next() {
    let next = training(1, Cursor { epoch: 0, batch: 3 });
    assert_eq!(next, training(1, Cursor { epoch: 1, batch: 0 }));
}

#[test]
fn subsets_limit_and_split() {
    let limited = subset(20).limit(10).unwrap();
    assert_eq!(limited.indices(), (0..10).collect::<Vec<_>>());
    assert_eq!(subset(20).limit(100).unwrap().len(), 20);
    assert!(subset(20).limit(0).is_err());

    let (training, validation) = limited.split_validation(0.3, 1).unwrap();
    assert_eq!((training.len(), validation.len()), (7, 3));
    let (nested, held_out) = validation.split_validation(0.34, 1).unwrap();
    assert!(
        nested
            .indices()
            .iter()
            .chain(held_out.indices())
            .all(|index| validation.indices().contains(index))
    );

    let mut seen: Vec<u32> = Batches::training(&training, size(4), 0, Cursor::default())
        .take(2)
        .flat_map(|batch| batch.indices)
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, training.indices());
}

#[test]
fn an_empty_subset_ends_at_once() {
    let (_, empty) = subset(10).split_validation(0.0, 0).unwrap();
    assert!(empty.is_empty());
    assert_eq!(
        Batches::training(&empty, size(4), 0, Cursor::default()).count(),
        0
    );
    assert_eq!(Batches::sequential(&empty, size(4)).count(), 0);
}

#[test]
fn dropping_ends_the_thread() {
    let subset = subset(10);
    for taken in 0..8 {
        let mut batches = Batches::training(&subset, size(1), 0, Cursor::default());
        assert_eq!(batches.by_ref().take(taken).count(), taken);
        drop(batches);
        // The thread held a copy of the subset: it is gone.
        assert_eq!(Arc::strong_count(subset.dataset()), 1);
    }
}
