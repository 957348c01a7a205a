//! Tables: files of rows and named columns. A reader gives blocks of cells; what becomes of the columns, and the cache that
//! the rows are kept in, is the same for every format.

mod block;
mod build;
mod columns;
mod csv;
mod fault;
mod open;
mod parquet;
mod place;

pub(crate) use self::csv::{Csv, open_packed_table};
pub(crate) use self::parquet::Parquet;
pub use fault::TableFault;
