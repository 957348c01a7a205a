//! A file that gets its name when it is whole.

use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::File;
use hourglass_store::temporary_path;

/// A file beside the one that it will be: dropped before [`PendingFile::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct PendingFile {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<BufWriter<File>>,
}

impl PendingFile {
    /// Begins the file that is to be at `path`.
    ///
    /// # Errors
    /// When none can be made there.
    pub fn create(path: &Path) -> io::Result<Self> {
        let temporary = temporary_path(path);
        let file = BufWriter::with_capacity(1 << 16, File::create(&temporary)?);
        Ok(Self {
            path: path.into(),
            temporary,
            file: Some(file),
        })
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// When not all of it can be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.writer()?.get_ref().sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        // Nothing is left to be given up.
        self.file = None;
        Ok(())
    }

    fn writer(&mut self) -> io::Result<&mut BufWriter<File>> {
        let closed = || io::Error::other("the file is closed");
        self.file.as_mut().ok_or_else(closed)
    }
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer()?.flush()
    }
}

impl Seek for PendingFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.writer()?.seek(to)
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // What is being given up need not be reported.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}
