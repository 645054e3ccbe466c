//! The encoding of messages between the server and the process of a graph: whole numbers, texts,
//! tensors.
//!
//! Little-endian, as both run the same program on one machine. The reader trusts nothing: truncated
//! or invalid input is `None`. The data of tensors follows their descriptions, each aligned to
//! [`BORDER`] bytes.

use hotstage_core::datatype::Datatype;
use hotstage_core::signature::{Port, Signature};
use hotstage_core::tensor::{Shape, Tensor};

use super::super::{Arena, Choice, Options};

/// The alignment of a tensor's data: what vector registers like best.
const BORDER: usize = 64;
/// The largest count of anything that is accepted.
const MANY: u32 = 1 << 20;

/// Encodes.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn texts(&mut self, texts: &[String]) -> &mut Self {
        self.number(texts.len() as u64);
        for text in texts {
            self.bytes(text.as_bytes());
        }
        self
    }

    pub(super) fn options(&mut self, options: &Options) -> &mut Self {
        let Options {
            engine,
            threads,
            concurrency,
            providers,
            outputs,
            arena,
        } = options;
        self.byte(*engine as u8)
            .byte(*arena as u8)
            .number(*threads as u64)
            .number(*concurrency as u64);
        self.texts(providers).texts(outputs)
    }

    pub(super) fn signature(&mut self, signature: &Signature) -> &mut Self {
        for ports in [&signature.inputs, &signature.outputs] {
            self.number(ports.len() as u64);
            for Port {
                name,
                datatype,
                shape,
            } in ports
            {
                self.bytes(name.as_bytes())
                    .byte(*datatype as u8)
                    .number(shape.len() as u64);
                // No size is as large as the number that stands for `None`.
                for size in shape {
                    self.number(size.unwrap_or(u64::MAX));
                }
            }
        }
        self
    }
}

/// Tensors to be written to an area.
pub(super) struct Parcel {
    /// The description, which is written first.
    pub(super) head: Vec<u8>,
    /// The offset of each tensor's data.
    pub(super) places: Vec<usize>,
    /// Bytes in total.
    pub(super) length: usize,
}

impl Parcel {
    /// Tensors after the existing content of the head. `None` if they do not fit the area.
    pub(super) fn of(mut head: Writer, tensors: &[Tensor], area: usize) -> Option<Self> {
        let described: usize = tensors
            .iter()
            .map(|tensor| 1 + 8 * (3 + tensor.shape().len()))
            .sum();
        let mut end = head.0.len() + 8 + described;
        head.number(tensors.len() as u64);
        let mut places = Vec::with_capacity(tensors.len());
        for tensor in tensors {
            let place = end.next_multiple_of(BORDER);
            end = place
                .checked_add(tensor.data().len())
                .filter(|&end| end <= area)?;
            head.byte(tensor.datatype() as u8)
                .number(place as u64)
                .number(tensor.data().len() as u64);
            head.number(tensor.shape().len() as u64);
            for &size in tensor.shape() {
                head.number(size);
            }
            places.push(place);
        }
        (end <= area).then_some(Self {
            head: head.0,
            places,
            length: end,
        })
    }
}

/// A tensor that was described.
pub(super) struct Described {
    pub(super) datatype: Datatype,
    pub(super) shape: Shape,
    /// The offset of its data in the area.
    pub(super) place: usize,
    pub(super) length: usize,
}

/// Decodes.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn many(&mut self) -> Option<usize> {
        self.size().filter(|&many| many <= MANY as usize)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.size()?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(self.bytes()?).into_owned())
    }

    fn texts(&mut self) -> Option<Vec<String>> {
        (0..self.many()?).map(|_| self.text()).collect()
    }

    fn datatype(&mut self) -> Option<Datatype> {
        let number = self.byte()?;
        Datatype::ALL
            .into_iter()
            .find(|datatype| *datatype as u8 == number)
    }

    pub(super) fn options(&mut self) -> Option<Options> {
        let engine = self.byte()?;
        let engine = [Choice::Auto, Choice::OnnxRuntime, Choice::Tract]
            .into_iter()
            .find(|it| *it as u8 == engine)?;
        let arena = self.byte()?;
        let arena = [Arena::Keep, Arena::Shrink]
            .into_iter()
            .find(|it| *it as u8 == arena)?;
        let (threads, concurrency) = (self.size()?, self.size()?);
        Some(Options {
            engine,
            threads,
            concurrency,
            providers: self.texts()?,
            outputs: self.texts()?,
            arena,
        })
    }

    fn ports(&mut self) -> Option<Vec<Port>> {
        (0..self.many()?).map(|_| self.port()).collect()
    }

    fn port(&mut self) -> Option<Port> {
        let (name, datatype, rank) = (self.text()?, self.datatype()?, self.many()?);
        let mut shape = Vec::new();
        for _ in 0..rank {
            shape.push(Some(self.number()?).filter(|&size| size != u64::MAX));
        }
        Some(Port {
            name,
            datatype,
            shape,
        })
    }

    pub(super) fn signature(&mut self) -> Option<Signature> {
        Some(Signature {
            inputs: self.ports()?,
            outputs: self.ports()?,
        })
    }

    /// Tensors whose data lies in an area of this size.
    pub(super) fn tensors(&mut self, area: usize) -> Option<Vec<Described>> {
        (0..self.many()?)
            .map(|_| {
                let (datatype, place, length) = (self.datatype()?, self.size()?, self.size()?);
                place.checked_add(length).filter(|&end| end <= area)?;
                let shape = (0..self.many()?)
                    .map(|_| self.number())
                    .collect::<Option<_>>()?;
                Some(Described {
                    datatype,
                    shape,
                    place,
                    length,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let options = Options {
            engine: Choice::Tract,
            threads: 2,
            concurrency: 3,
            providers: vec!["cuda".into(), "cpu".into()],
            outputs: vec!["ä".into()],
            arena: Arena::Shrink,
        };
        let port = |name: &str, shape| Port {
            name: name.to_owned(),
            datatype: Datatype::Fp16,
            shape,
        };
        let signature = Signature {
            inputs: vec![port("x", vec![None, Some(3)])],
            outputs: vec![port("y", vec![])],
        };
        let mut writer = Writer::default();
        writer.options(&options).signature(&signature).number(7);
        let mut reader = Reader(&writer.0);
        assert_eq!(reader.options(), Some(options));
        assert_eq!(reader.signature(), Some(signature));
        assert_eq!((reader.number(), reader.number()), (Some(7), None));
        for end in 0..writer.0.len() {
            let mut cut = Reader(&writer.0[..end]);
            assert!(
                cut.options()
                    .and_then(|_| cut.signature())
                    .and_then(|_| cut.number())
                    .is_none()
            );
        }
    }

    #[test]
    fn tensors_lie_behind_their_descriptions_and_inside_the_area() {
        let tensor = |bytes: usize| {
            Tensor::new(
                Datatype::Uint8,
                Shape::from_slice(&[bytes as u64]),
                Bytes::from(vec![1; bytes]),
            )
            .unwrap()
        };
        let parcel = Parcel::of(
            Writer::default(),
            &[tensor(5), tensor(0), tensor(100)],
            4096,
        )
        .unwrap();
        let read = Reader(&parcel.head).tensors(4096).unwrap();
        let places: Vec<usize> = read.iter().map(|it| it.place).collect();
        assert_eq!(places, parcel.places);
        assert!(
            parcel.places[0] >= parcel.head.len()
                && parcel.places.iter().all(|place| place % BORDER == 0)
        );
        assert_eq!(parcel.length, parcel.places[2] + 100);
        assert!(Parcel::of(Writer::default(), &[tensor(5000)], 4096).is_none());
        // A description that points outside is refused.
        assert!(Reader(&parcel.head).tensors(parcel.length - 1).is_none());
    }
}
