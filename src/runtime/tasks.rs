//! Running tasks by number: cancelled one by one, or all at the end.

use std::collections::HashMap;
use std::panic::resume_unwind;

use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::domain::RequestId;
use crate::net::BoxFuture;

/// Boxed: all tasks share the code that runs one.
pub type Task = BoxFuture<'static, ()>;

/// Does work that goes on to its end where the caller is cancelled: `endings` waits for it. A panic is the caller's, too.
pub async fn to_the_end(endings: &TaskTracker, work: impl Future<Output = ()> + Send + 'static) {
    if let Err(error) = endings.spawn(work).await
        && error.is_panic()
    {
        resume_unwind(error.into_panic());
    }
}

#[derive(Default)]
pub struct Tasks {
    all: JoinSet<()>,
    by_request: HashMap<RequestId, AbortHandle>,
    /// The requests' own tasks. One that is aborted still records its request.
    requests: TaskTracker,
    /// Closes when the last sequential task ends.
    turn: Option<oneshot::Receiver<()>>,
}

impl Tasks {
    /// Starts a task that cannot be cancelled by number.
    pub fn start(&mut self, task: Task) {
        self.reap();
        self.all.spawn(task);
    }

    /// Starts a task that runs after all earlier sequential tasks.
    pub fn start_sequential(&mut self, task: Task) {
        let (done, next) = oneshot::channel::<()>();
        let before = self.turn.replace(next);
        self.start(Box::pin(async move {
            if let Some(before) = before {
                // An error means that the task before was aborted: its turn is over too.
                let _ = before.await;
            }
            task.await;
            drop(done);
        }));
    }

    /// Starts a request's task; if it panics, `crashed` sends the answer, so that the screen does not wait for ever.
    pub fn start_request(&mut self, request: RequestId, task: Task, crashed: Task) {
        self.reap();
        // A panic ends only the inner task, so that the outer one can still report it.
        let task = self.requests.track_future(task);
        let handle = self.all.spawn(async move {
            let guarded = AbortOnDropHandle::new(tokio::spawn(task));
            if guarded.await.is_err_and(|error| error.is_panic()) {
                crashed.await;
            }
        });
        self.by_request.insert(request, handle);
    }

    pub fn cancel(&mut self, request: RequestId) {
        if let Some(handle) = self.by_request.remove(&request) {
            handle.abort();
        }
    }

    /// Waits for the sequential tasks: each writes what the operator wants saved.
    pub async fn finish_sequential(&mut self) {
        if let Some(last) = self.turn.take() {
            let _ = last.await;
        }
    }

    pub async fn stop(&mut self) {
        self.all.shutdown().await;
        self.requests.close();
        self.requests.wait().await;
    }

    fn reap(&mut self) {
        while self.all.try_join_next().is_some() {}
        // Without this, a console that runs for weeks would hold a handle for every request.
        self.by_request.retain(|_, handle| !handle.is_finished());
    }
}
