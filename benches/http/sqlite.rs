//! SQLite as plain as it gets: prepared statements over rows whose shape is known only at run time,
//! which Diesel's typed queries are not made for. The only unsafe code of the benchmark; it calls
//! the same library build that renraku links.
#![expect(unsafe_code, reason = "SQLite's C interface")]

use std::ffi::{CStr, CString, c_char, c_int};
use std::path::Path;
use std::ptr;

use libsqlite3_sys as ffi;

/// A value of a row, as SQLite has them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

/// A connection used by one thread.
pub(crate) struct Connection(*mut ffi::sqlite3);

impl Connection {
    pub(crate) fn open(path: &Path) -> Self {
        let name = CString::new(path.to_str().expect("a UTF-8 path")).expect("no NUL");
        let mut handle = ptr::null_mut();
        let flags = ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE;
        // SAFETY: `name` outlives the call and `handle` takes the connection.
        let code = unsafe { ffi::sqlite3_open_v2(name.as_ptr(), &mut handle, flags, ptr::null()) };
        let connection = Self(handle);
        connection.check(code, "open");
        connection
    }

    /// Runs statements without results.
    pub(crate) fn execute(&self, sql: &str) {
        let text = CString::new(sql).expect("no NUL");
        // SAFETY: the handle is open and `text` outlives the call; there is no callback.
        let code = unsafe { ffi::sqlite3_exec(self.0, text.as_ptr(), None, ptr::null_mut(), ptr::null_mut()) };
        self.check(code, sql);
    }

    pub(crate) fn prepare(&self, sql: &str) -> Statement<'_> {
        let length = c_int::try_from(sql.len()).expect("a short statement");
        let mut handle = ptr::null_mut();
        // SAFETY: the length is that of `sql`, and `handle` takes the statement.
        let code = unsafe {
            ffi::sqlite3_prepare_v2(self.0, sql.as_ptr().cast::<c_char>(), length, &mut handle, ptr::null_mut())
        };
        self.check(code, sql);
        Statement { handle, connection: self }
    }

    /// All rows of a query.
    pub(crate) fn query(&self, sql: &str) -> Vec<Vec<Value>> {
        let mut statement = self.prepare(sql);
        let mut rows = Vec::new();
        while let Some(row) = statement.next_row() {
            rows.push(row);
        }
        rows
    }

    /// How many rows statements of this connection have written.
    pub(crate) fn changes(&self) -> i64 {
        // SAFETY: the handle is open.
        unsafe { ffi::sqlite3_total_changes64(self.0) }
    }

    fn check(&self, code: c_int, what: &str) {
        if code != ffi::SQLITE_OK {
            // SAFETY: the message is NUL-terminated and valid until the next call on the handle.
            let message = unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(self.0)) };
            panic!("SQLite: {} in: {what}", message.to_string_lossy());
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: opened once, closed once; statements borrow the connection and are gone.
        unsafe { ffi::sqlite3_close(self.0) };
    }
}

/// A prepared statement.
pub(crate) struct Statement<'c> {
    handle: *mut ffi::sqlite3_stmt,
    connection: &'c Connection,
}

impl Statement<'_> {
    /// Runs a statement without results with these parameters.
    pub(crate) fn run(&mut self, parameters: &[Value]) {
        for (index, value) in (1..).zip(parameters) {
            let bytes = |bytes: &[u8]| (bytes.as_ptr(), c_int::try_from(bytes.len()).expect("a value below 2 GB"));
            // SAFETY: the statement is live and reset; SQLITE_STATIC holds because `parameters`
            // outlive the step below, and the next run binds all of them anew.
            let code = unsafe {
                match value {
                    Value::Null => ffi::sqlite3_bind_null(self.handle, index),
                    Value::Integer(number) => ffi::sqlite3_bind_int64(self.handle, index, *number),
                    Value::Real(number) => ffi::sqlite3_bind_double(self.handle, index, *number),
                    Value::Text(text) => {
                        let (start, length) = bytes(text);
                        ffi::sqlite3_bind_text(self.handle, index, start.cast(), length, ffi::SQLITE_STATIC())
                    }
                    Value::Blob(blob) => {
                        let (start, length) = bytes(blob);
                        ffi::sqlite3_bind_blob(self.handle, index, start.cast(), length, ffi::SQLITE_STATIC())
                    }
                }
            };
            self.connection.check(code, "bind");
        }
        // SAFETY: the statement is live.
        let (stepped, code) = unsafe { (ffi::sqlite3_step(self.handle), ffi::sqlite3_reset(self.handle)) };
        self.connection.check(code, "step");
        assert_eq!(stepped, ffi::SQLITE_DONE, "a statement without results");
    }

    fn next_row(&mut self) -> Option<Vec<Value>> {
        // SAFETY: the statement is live.
        match unsafe { ffi::sqlite3_step(self.handle) } {
            ffi::SQLITE_ROW => {
                // SAFETY: the statement is at a row.
                let columns = unsafe { ffi::sqlite3_column_count(self.handle) };
                Some((0..columns).map(|column| self.value(column)).collect())
            }
            ffi::SQLITE_DONE => None,
            code => {
                self.connection.check(code, "step");
                None
            }
        }
    }

    fn value(&self, column: c_int) -> Value {
        // SAFETY: the statement is at a row; pointer and length are read without a conversion in
        // between, and the bytes are copied before the next step.
        unsafe {
            let bytes = || {
                let start = ffi::sqlite3_column_blob(self.handle, column).cast::<u8>();
                let length = usize::try_from(ffi::sqlite3_column_bytes(self.handle, column)).unwrap_or(0);
                if start.is_null() { Vec::new() } else { std::slice::from_raw_parts(start, length).to_vec() }
            };
            match ffi::sqlite3_column_type(self.handle, column) {
                ffi::SQLITE_INTEGER => Value::Integer(ffi::sqlite3_column_int64(self.handle, column)),
                ffi::SQLITE_FLOAT => Value::Real(ffi::sqlite3_column_double(self.handle, column)),
                ffi::SQLITE_TEXT => Value::Text(bytes()),
                ffi::SQLITE_BLOB => Value::Blob(bytes()),
                _ => Value::Null,
            }
        }
    }
}

impl Drop for Statement<'_> {
    fn drop(&mut self) {
        // SAFETY: prepared once, finalized once.
        unsafe { ffi::sqlite3_finalize(self.handle) };
    }
}
