//! The part of Python's pickle that names tensors, and no more of it.
//!
//! A pickle is a program for a stack machine. Of its instructions those that build numbers, texts, lists and dictionaries
//! are followed; of the functions that it may ask for, three and the types of storages are known, and each only makes
//! a description here. Any other is an error as soon as it is named, before anything could be done with it.
//!
//! Lists and dictionaries lie side by side and are named by their place. So a program that nests or repeats them without
//! end costs no more memory than its own length, and nothing here recurses.
//!
//! # Source
//! CPython 3.12, `Lib/pickletools.py`; pytorch at 2.15, `torch/_weights_only_unpickler.py`.

mod value;

use std::collections::HashMap;
use std::rc::Rc;

use value::{Global, STATE_DICT, Value};
pub use value::{Kind, Storage, Tensor};

/// Bytes of the longest pickle; that of a BERT of 24 layers has 80,000.
const MOST_BYTES: usize = 1 << 24;
/// Remembered values.
const MOST_MEMO: usize = 1 << 20;
/// Open tuples, lists and dictionaries; a tensor needs three.
const MOST_DEPTH: usize = 64;
/// Axes of a tensor; models have at most four.
const MOST_AXES: usize = 8;
/// Letters of a function's name.
const MOST_NAME: usize = 200;

/// Tensors by their names, in the file's order.
pub type Named = Vec<(Rc<str>, Rc<Tensor>)>;

/// The tensors of a dictionary, with their names.
///
/// # Errors
/// One line that says what the pickle holds or asks for instead.
pub fn state_dict(pickle: &[u8]) -> Result<Named, String> {
    if pickle.len() > MOST_BYTES {
        let (most, found) = (MOST_BYTES >> 20, pickle.len() >> 20);
        return Err(format!(
            "data.pkl has {found} MiB, expected at most {most} for names of tensors"
        ));
    }
    let mut machine = Machine { input: pickle, ..Machine::default() };
    let result = machine.run().map_err(|problem| {
        let at = pickle.len() - machine.input.len();
        format!("{problem} (data.pkl, byte {at})")
    })?;
    let Value::Dict(place) = result else {
        return Err(format!("found {}, {STATE_DICT}", result.what()));
    };
    let entries = machine.places[place].chunks_exact(2).map(|entry| match entry {
        [Value::Text(name), Value::Tensor(tensor)] => Ok((name.clone(), tensor.clone())),
        [Value::Text(name), other] => {
            Err(format!("found {} under `{name}`, {STATE_DICT}", other.what()))
        }
        _ => Err(format!("found a dictionary whose keys are no texts, {STATE_DICT}")),
    });
    entries.collect()
}

#[derive(Default)]
struct Machine<'a> {
    input: &'a [u8],
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    /// Tuples, lists and dictionaries.
    places: Vec<Vec<Value>>,
}

type Step<T> = Result<T, String>;

impl<'a> Machine<'a> {
    /// Follows the program to its end; what is on top is its result.
    fn run(&mut self) -> Step<Value> {
        loop {
            let code = self.take::<1>()?[0];
            match code {
                b'.' => return self.pop(),
                0x80 => drop(self.take::<1>()?), // PROTO
                0x95 => drop(self.take::<8>()?), // FRAME
                b'N' => self.stack.push(Value::Nothing),
                b'G' => {
                    self.take::<8>()?;
                    self.stack.push(Value::Nothing);
                }
                0x88 | 0x89 => self.stack.push(Value::Bool),
                b'K' | b'M' | b'J' | 0x8a => self.integer(code)?,
                b'X' | 0x8c => self.text(code)?,
                b'(' if self.marks.len() < MOST_DEPTH => self.marks.push(self.stack.len()),
                b'(' => return Err(format!("it nests more than {MOST_DEPTH} deep")),
                b')' | 0x85..=0x87 | b't' | b']' | b'}' => self.container(code)?,
                b'a' | b'e' | b's' | b'u' => self.fill(code)?,
                b'q' | b'r' | 0x94 | b'h' | b'j' => self.memory(code)?,
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.stack.push(Value::Global(Global::named(&module, &name)?));
                }
                0x93 => {
                    let (name, module) = (self.pop_text()?, self.pop_text()?);
                    self.stack.push(Value::Global(Global::named(&module, &name)?));
                }
                b'Q' => self.storage()?,
                b'R' => self.call()?,
                b'b' => self.build()?,
                _ => {
                    return Err(format!(
                        "it has the instruction {code:#04x}, which tensors need not"
                    ));
                }
            }
        }
    }

    fn integer(&mut self, code: u8) -> Step<()> {
        let value = match code {
            b'K' => self.take::<1>()?[0].into(),
            b'M' => u16::from_le_bytes(self.take()?).into(),
            b'J' => i32::from_le_bytes(self.take()?).into(),
            _ => {
                let length = self.take::<1>()?[0].into();
                let bytes = self.bytes(length)?;
                if bytes.len() > 8 {
                    return Err(format!("it has an integer of {length} bytes, expected at most 8"));
                }
                // Little-endian; the last bit is the sign.
                let sign = bytes.last().map_or(0, |&last| -i64::from(last >> 7));
                bytes.iter().rev().fold(sign, |value, &byte| (value << 8) | i64::from(byte))
            }
        };
        self.stack.push(Value::Int(value));
        Ok(())
    }

    fn text(&mut self, code: u8) -> Step<()> {
        let length = match code {
            b'X' => u32::from_le_bytes(self.take()?) as usize,
            _ => self.take::<1>()?[0].into(),
        };
        let text = std::str::from_utf8(self.bytes(length)?).map_err(|error| error.to_string())?;
        let value = Value::Text(text.into());
        self.stack.push(value);
        Ok(())
    }

    /// Tuples of what is on the stack; empty lists and dictionaries.
    fn container(&mut self, code: u8) -> Step<()> {
        let content = match code {
            b't' => self.since_mark()?,
            0x85..=0x87 => self.top(usize::from(code - 0x84))?,
            _ => Vec::new(),
        };
        let place = self.places.len();
        self.places.push(content);
        self.stack.push(match code {
            b']' => Value::List(place),
            b'}' => Value::Dict(place),
            _ => Value::Tuple(place),
        });
        Ok(())
    }

    /// Puts values into the list, or keys and values into the dictionary, below them.
    fn fill(&mut self, code: u8) -> Step<()> {
        let values = match code {
            b'a' => self.top(1)?,
            b's' => self.top(2)?,
            _ => self.since_mark()?,
        };
        match (self.stack.last(), code) {
            (Some(&Value::List(place)), b'a' | b'e') => self.places[place].extend(values),
            (Some(&Value::Dict(place)), b's' | b'u') if values.len().is_multiple_of(2) => {
                self.places[place].extend(values);
            }
            _ => return Err("it fills what is no list and no dictionary".into()),
        }
        Ok(())
    }

    fn memory(&mut self, code: u8) -> Step<()> {
        let key = match code {
            b'q' | b'h' => self.take::<1>()?[0].into(),
            0x94 => self.memo.len() as u32,
            _ => u32::from_le_bytes(self.take()?),
        };
        if matches!(code, b'h' | b'j') {
            let value = self.memo.get(&key).ok_or("it recalls what it never remembered")?;
            self.stack.push(value.clone());
            return Ok(());
        }
        if self.memo.len() >= MOST_MEMO {
            return Err(format!("it remembers more than {MOST_MEMO} values"));
        }
        let value = self.stack.last().ok_or(EMPTY)?.clone();
        self.memo.insert(key, value);
        Ok(())
    }

    /// `('storage', type, key, device, elements)`: what `torch.save` keeps outside of the pickle.
    fn storage(&mut self) -> Step<()> {
        let place = self.pop_tuple()?;
        let storage = match &self.places[place][..] {
            [
                Value::Text(tag),
                Value::Global(Global::Storage(kind)),
                Value::Text(key),
                Value::Text(_),
                Value::Int(elements),
            ] if &**tag == "storage" => {
                let elements = usize::try_from(*elements).map_err(|_| NEGATIVE)?;
                Storage { kind: *kind, key: key.clone(), elements }
            }
            _ => return Err("it refers to something else than a storage".into()),
        };
        self.stack.push(Value::Storage(Rc::new(storage)));
        Ok(())
    }

    /// Calls one of the functions that are known.
    fn call(&mut self) -> Step<()> {
        let arguments = self.pop_tuple()?;
        let Value::Global(function) = self.pop()? else {
            return Err("it calls what is no function".into());
        };
        let result = match (function, &self.places[arguments][..]) {
            (Global::OrderedDict, []) => {
                self.places.push(Vec::new());
                Value::Dict(self.places.len() - 1)
            }
            (
                Global::RebuildTensor,
                [
                    Value::Storage(storage),
                    Value::Int(offset),
                    Value::Tuple(size),
                    Value::Tuple(stride),
                    ..,
                ],
            ) => Value::Tensor(Rc::new(Tensor {
                storage: storage.clone(),
                offset: usize::try_from(*offset).map_err(|_| NEGATIVE)?,
                size: self.sizes(*size)?,
                stride: self.sizes(*stride)?,
            })),
            (Global::RebuildParameter, [Value::Tensor(tensor), ..]) => {
                Value::Tensor(tensor.clone())
            }
            _ => {
                return Err(format!(
                    "it calls {function:?} with other arguments than torch.save's"
                ));
            }
        };
        self.stack.push(result);
        Ok(())
    }

    /// Attributes of a dictionary, such as the `_metadata` of modules, are left out.
    fn build(&mut self) -> Step<()> {
        self.pop()?;
        match self.stack.last() {
            Some(Value::Dict(_)) => Ok(()),
            _ => Err("it gives attributes to what is no dictionary".into()),
        }
    }

    fn sizes(&self, place: usize) -> Step<Vec<usize>> {
        let size = |value: &Value| match value {
            Value::Int(size) => usize::try_from(*size).map_err(|_| NEGATIVE.to_string()),
            other => Err(format!("it has {} among sizes", other.what())),
        };
        let sizes = &self.places[place];
        if sizes.len() > MOST_AXES {
            return Err(format!(
                "it has a tensor of {} axes, expected at most {MOST_AXES}",
                sizes.len()
            ));
        }
        sizes.iter().map(size).collect()
    }

    fn since_mark(&mut self) -> Step<Vec<Value>> {
        let mark = self.marks.pop().ok_or("it closes what it never opened")?;
        if mark > self.stack.len() {
            return Err(EMPTY.into());
        }
        Ok(self.stack.split_off(mark))
    }

    fn top(&mut self, count: usize) -> Step<Vec<Value>> {
        let from = self.stack.len().checked_sub(count).ok_or(EMPTY)?;
        Ok(self.stack.split_off(from))
    }

    fn pop(&mut self) -> Step<Value> {
        self.stack.pop().ok_or_else(|| EMPTY.into())
    }

    fn pop_text(&mut self) -> Step<Rc<str>> {
        match self.pop()? {
            Value::Text(text) if text.len() <= MOST_NAME => Ok(text),
            other => Err(format!("it has {} where a short name should be", other.what())),
        }
    }

    fn pop_tuple(&mut self) -> Step<usize> {
        match self.pop()? {
            Value::Tuple(place) => Ok(place),
            other => Err(format!("it has {} where a tuple should be", other.what())),
        }
    }

    fn line(&mut self) -> Step<String> {
        let length = self.input.iter().position(|&byte| byte == b'\n').ok_or(ENDS)?;
        if length > MOST_NAME {
            return Err(format!("it has a name of {length} bytes, expected at most {MOST_NAME}"));
        }
        let line = String::from_utf8_lossy(self.bytes(length)?).into_owned();
        self.take::<1>()?;
        Ok(line)
    }

    fn take<const N: usize>(&mut self) -> Step<[u8; N]> {
        let (taken, rest) = self.input.split_first_chunk::<N>().ok_or(ENDS)?;
        self.input = rest;
        Ok(*taken)
    }

    fn bytes(&mut self, length: usize) -> Step<&'a [u8]> {
        let (taken, rest) = self.input.split_at_checked(length).ok_or(ENDS)?;
        self.input = rest;
        Ok(taken)
    }
}

const EMPTY: &str = "it takes more from the stack than is there";
const ENDS: &str = "it ends too early";
const NEGATIVE: &str = "it has a negative size";
