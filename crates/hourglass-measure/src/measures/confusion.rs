//! Which classes a classifier takes for which.

use super::Estimate;

/// How often rows of each class were taken for each class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: Vec<u8>,
    /// `[classes, classes]`, row-major: a row for each true class, a column for each predicted one.
    counts: Vec<usize>,
}

impl Confusion {
    /// Counts pairs of a row's true class and the predicted one.
    pub fn count(pairs: impl Iterator<Item = (u8, u8)>) -> Self {
        let mut table = vec![0_usize; 256 * 256];
        let mut occurs = [false; 256];
        for (actual, predicted) in pairs {
            let [actual, predicted] = [actual, predicted].map(usize::from);
            table[actual * 256 + predicted] += 1;
            occurs[actual] = true;
            occurs[predicted] = true;
        }
        let classes: Vec<u8> = (0..=u8::MAX)
            .filter(|&class| occurs[usize::from(class)])
            .collect();
        let counts = classes.iter().flat_map(|&actual| {
            let row = &table[usize::from(actual) * 256..];
            classes
                .iter()
                .map(move |&predicted| row[usize::from(predicted)])
        });
        Self {
            counts: counts.collect(),
            classes,
        }
    }

    /// The classes that occur, true or predicted, in increasing order.
    pub fn classes(&self) -> &[u8] {
        &self.classes
    }

    /// The counts of each true class, in the order of the classes: by predicted class, in the same order.
    pub fn rows(&self) -> impl Iterator<Item = &[usize]> {
        self.counts.chunks_exact(self.classes.len().max(1))
    }

    /// The number of rows whose class was predicted.
    pub fn hits(&self) -> usize {
        let rows = self.rows().enumerate();
        rows.map(|(place, row)| row[place]).sum()
    }

    /// The number of all rows.
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// The share of the rows whose class was predicted, with the binomial standard error; none without rows.
    pub fn accuracy(&self) -> Option<Estimate> {
        Estimate::share(self.hits(), self.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_pairs() {
        let pairs = [(7, 7), (7, 1), (1, 1), (1, 1), (255, 7), (7, 7)];
        let confusion = Confusion::count(pairs.into_iter());
        assert_eq!(confusion.classes(), [1, 7, 255]);
        let rows: Vec<_> = confusion.rows().collect();
        assert_eq!(rows, [[2, 0, 0], [1, 2, 0], [0, 1, 0]]);
        assert_eq!((confusion.hits(), confusion.total()), (4, 6));
        assert_eq!(confusion.accuracy(), Estimate::share(4, 6));
    }

    #[test]
    fn nothing_is_no_class() {
        let confusion = Confusion::count(std::iter::empty());
        assert_eq!((confusion.hits(), confusion.total()), (0, 0));
        assert!(confusion.classes().is_empty() && confusion.rows().next().is_none());
    }
}
