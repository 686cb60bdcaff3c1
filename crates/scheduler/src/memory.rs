//! Carries what changed on the board to the database, and forgets what is over.

use std::sync::Arc;
use std::time::Duration;

use crate::context::Context;

/// Between two tries to write while the disk refuses.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes whenever something changed. While one write is under way changes gather for the next.
pub(crate) async fn run(context: Arc<Context>) {
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return,
            () = context.board.wake.write.notified() => {}
        }
        if !write(&context).await {
            context.pause(PAUSE).await;
        }
    }
}

/// Writes once; false when the disk refuses. Nothing is lost by that but what a restart has to read again.
pub(crate) async fn write(context: &Context) -> bool {
    let (dirty, snapshot) = context.board.lock().take_dirty();
    if let Err(error) = context.db.write(&snapshot).await {
        tracing::error!(%error, tasks = snapshot.tasks.len(), "cannot write to the database");
        let mut state = context.board.lock();
        state.counters.write_failures += 1;
        state.mark_dirty(dirty);
        drop(state);
        context.board.wake.write.notify_one();
        return false;
    }
    let opened = {
        let mut state = context.board.lock();
        state.evict(&dirty);
        state.open_tasks()
    };
    if !opened.is_empty() {
        // Taken up late: others may have moved them meanwhile.
        let _ = context.recheck.send(opened);
        context.board.ring();
    }
    true
}

/// The board's own safety net: overdue answers, deadlines, pauses that are over.
pub(crate) async fn sweep(context: Arc<Context>) {
    if !context.caught_up().await {
        return;
    }
    let mut every = tokio::time::interval(context.safety_net());
    let mut grace = std::pin::pin!(tokio::time::sleep(Duration::from_secs(
        context.options.reconnect_grace_secs
    )));
    let mut graceful = true;
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return,
            () = &mut grace, if graceful => {
                graceful = false;
                context.board.lock().sweep_absent();
            }
            _ = every.tick() => {
                let mut state = context.board.lock();
                state.sweep();
                if !graceful {
                    state.sweep_absent();
                }
            }
        }
        context.board.ring();
    }
}
