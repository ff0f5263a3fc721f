//! One `.eml` file a mail.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::fs;
use tokio::io::AsyncWriteExt;

use super::{SendError, SendErrorKind};

/// Writes `raw` as a file named after the Message-ID, so that a resend overwrites its own first
/// copy. It is written beside and renamed, so that nobody sees half a mail.
pub(super) async fn write(directory: &Path, message_id: &str, raw: &[u8]) -> Result<(), SendError> {
    store(directory, message_id, raw)
        .await
        .map_err(|error| SendError::new(SendErrorKind::Transient, error))
}

async fn store(directory: &Path, message_id: &str, raw: &[u8]) -> std::io::Result<()> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    fs::create_dir_all(directory).await?;
    let name = file_stem(message_id);
    let attempt = WRITES.fetch_add(1, Ordering::Relaxed);
    let beside = directory.join(format!(".{name}.{}-{attempt}.part", std::process::id()));
    let written = async {
        let mut file = fs::File::create(&beside).await?;
        file.write_all(raw).await?;
        file.sync_all().await?;
        fs::rename(&beside, directory.join(format!("{name}.eml"))).await
    };
    let result = written.await;
    if result.is_err() {
        // The first error is the one to tell; a stray part file is hidden and harmless.
        let _ = fs::remove_file(&beside).await;
    }
    result
}

fn file_stem(message_id: &str) -> String {
    let kept = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    let name: String = message_id.chars().filter(kept).take(200).collect();
    name.trim_start_matches('.').to_owned()
}
