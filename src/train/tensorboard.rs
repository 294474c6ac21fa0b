//! TensorBoard event files: scalars, appended as training goes.
//!
//! An event file is a sequence of records, `length: u64 · crc(length): u32 · message · crc(message): u32`,
//! little-endian, where the message is a protobuf `Event` and `crc` is CRC-32C, rotated and offset.
//! The messages below declare only the fields written here; `docs/decisions/` says why no crate does this.
//!
//! Source: `tensorflow/core/lib/io/record_writer.cc`, `tensorflow/core/util/event.proto` and
//! `tensorflow/core/framework/summary.proto` of TensorFlow 2.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message;

use super::Error;

/// `tensorflow.Event`: one record of the file.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    session_log: Option<SessionLog>,
}

/// `tensorflow.Summary`: the values of one step.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

/// `tensorflow.Summary.Value` with its `simple_value`.
#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    // Optional, so that 0 is written too: in the source it is a member of a oneof.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// `tensorflow.SessionLog`; status 1 is `START`.
#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Writes one event file.
#[derive(Debug)]
pub struct EventWriter {
    file: File,
    path: std::path::PathBuf,
}

impl EventWriter {
    /// Starts a new event file in `directory` for the steps after `after_step`.
    ///
    /// A resumed run gets a file of its own, which tells TensorBoard to forget what earlier files say
    /// about steps after `after_step`; those files stay as they are.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn start(directory: &Path, after_step: u64, now: SystemTime) -> Result<Self, Error> {
        fs::create_dir_all(directory).map_err(Error::io(directory, "create the folder"))?;
        // TensorBoard reads the files of a folder in the order of their names, so time comes first.
        let since_1970 = since_1970(now);
        let (seconds, nanoseconds) = (since_1970.as_secs(), since_1970.subsec_nanos());
        let name = format!("events.out.tfevents.{seconds:010}.{nanoseconds:09}.wgrad");
        let path = directory.join(name);
        let file = File::create_new(&path).map_err(Error::io(&path, "create the event file"))?;
        let mut writer = Self { file, path };
        let header = Event { wall_time: since_1970.as_secs_f64(), ..Event::default() };
        writer
            .write(&Event { file_version: Some("brain.Event:2".to_string()), ..header.clone() })?;
        if after_step > 0 {
            let first_step = signed(after_step + 1);
            let session_log = Some(SessionLog { status: 1 });
            writer.write(&Event { step: first_step, session_log, ..header })?;
        }
        Ok(writer)
    }

    /// Appends the scalars of `step`, each under its tag.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn scalars<'a>(
        &mut self,
        step: u64,
        now: SystemTime,
        values: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> Result<(), Error> {
        let scalar = |(tag, value): (&str, f64)| Scalar {
            tag: tag.to_string(),
            simple_value: Some(value as f32),
        };
        let value: Vec<Scalar> = values.into_iter().map(scalar).collect();
        self.write(&Event {
            wall_time: since_1970(now).as_secs_f64(),
            step: signed(step),
            summary: Some(Summary { value }),
            ..Event::default()
        })
    }

    fn write(&mut self, event: &Event) -> Result<(), Error> {
        let message = event.encode_to_vec();
        let length = (message.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(message.len() + 16);
        record.extend(length);
        record.extend(masked_crc(&length).to_le_bytes());
        record.extend(&message);
        record.extend(masked_crc(&message).to_le_bytes());
        self.file.write_all(&record).map_err(Error::io(&self.path, "write the event file"))
    }
}

/// CRC-32C, rotated by 15 bits and offset, so that a checksum over data with checksums stays useful.
fn masked_crc(bytes: &[u8]) -> u32 {
    const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    CRC.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn since_1970(time: SystemTime) -> Duration {
    // A clock before 1970 is a clock that was never set; its events are all dated 1970.
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn signed(step: u64) -> i64 {
    i64::try_from(step).expect("no run takes 2^63 steps")
}
