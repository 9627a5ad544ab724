//! Time limits of reading: work under [`until`] ends in the database, too.
//!
//! SQLite asks every some thousand steps of a statement whether to go on; a connection serves one
//! thread at a time, so the thread that asks is the one with the limit. PostgreSQL is told the limit
//! when a snapshot begins.

use std::cell::Cell;
use std::time::Instant;

use super::StoreError;

thread_local! {
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Runs `work` on this thread; what it asks of the database ends at the deadline.
///
/// # Errors
/// [`StoreError::Timeout`], or what `work` says.
pub fn until<T>(deadline: Instant, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    /// The thread goes back to its pool, also when `work` panics.
    struct Outer(Option<Instant>);
    impl Drop for Outer {
        fn drop(&mut self) {
            DEADLINE.set(self.0);
        }
    }
    let _outer = Outer(DEADLINE.replace(Some(deadline)));
    if Instant::now() >= deadline {
        return Err(StoreError::Timeout);
    }
    match work() {
        Err(StoreError::Database(_)) if Instant::now() >= deadline => Err(StoreError::Timeout),
        result => result,
    }
}

/// Milliseconds left, at least 1.
pub(super) fn milliseconds_left() -> Option<u128> {
    DEADLINE.get().map(|deadline| deadline.saturating_duration_since(Instant::now()).as_millis().max(1))
}

/// SQLite's side: the only place that speaks to it past Diesel, which has no door for this.
#[expect(unsafe_code, reason = "SQLite's C interface; see each block")]
pub(super) mod sqlite {
    use std::ffi::{c_char, c_int, c_void};
    use std::sync::Once;
    use std::time::Instant;

    use libsqlite3_sys as ffi;

    use super::DEADLINE;

    /// Steps of a statement between two questions: some tenths of a millisecond.
    const STEPS: c_int = 20_000;

    unsafe extern "C" fn is_over(_: *mut c_void) -> c_int {
        c_int::from(DEADLINE.get().is_some_and(|deadline| Instant::now() >= deadline))
    }

    unsafe extern "C" fn prepare(
        connection: *mut ffi::sqlite3,
        _: *mut *mut c_char,
        _: *const ffi::sqlite3_api_routines,
    ) -> c_int {
        // SAFETY: SQLite calls this with the connection it is opening; the handler keeps no pointer.
        unsafe { ffi::sqlite3_progress_handler(connection, STEPS, Some(is_over), std::ptr::null_mut()) };
        ffi::SQLITE_OK
    }

    /// Every connection opened from now on asks.
    pub(in super::super) fn install() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: the function lives as long as the program and has the type SQLite calls it by.
            let done = unsafe { ffi::sqlite3_auto_extension(Some(prepare)) };
            if done != ffi::SQLITE_OK {
                tracing::warn!(code = done, "searches on SQLite will have no time limit");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use diesel::QueryableByName;
    use diesel::sql_types::BigInt;

    use super::super::connection::{Connection, Database, Role, Statement};
    use super::*;

    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }

    fn count_to(connection: &mut Connection, number: i64) -> Result<i64, StoreError> {
        connection.snapshot(|connection| {
            let mut statement =
                Statement::new("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < CAST(");
            statement.bind(number).sql(" AS INTEGER)) SELECT count(*) AS n FROM c");
            Ok(connection.load::<Count>(&statement)?.first().map_or(0, |count| count.n))
        })
    }

    fn ends_in_time(database: &Database) {
        let mut connection = Connection::open(database, Role::Writer).unwrap();
        let began = Instant::now();
        let asked = until(began + Duration::from_millis(100), || count_to(&mut connection, 2_000_000_000));
        assert!(matches!(asked, Err(StoreError::Timeout)), "{asked:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        // The connection goes on, with time and without a limit.
        let far = Instant::now() + Duration::from_secs(60);
        assert_eq!(until(far, || count_to(&mut connection, 1000)).unwrap(), 1000);
        assert_eq!(count_to(&mut connection, 200_000).unwrap(), 200_000);
    }

    #[test]
    fn a_statement_ends_with_its_time() {
        let path = std::env::temp_dir().join(format!("renraku-deadline-{}.db", std::process::id()));
        ends_in_time(&Database::Sqlite(path.clone()));
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", path.display()));
        }
        if let Ok(url) = std::env::var("RENRAKU_TEST_POSTGRES") {
            ends_in_time(&Database::Postgres(url));
        }
    }
}
