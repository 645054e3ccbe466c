//! A second, simple decoder of a guest's answer, for answers whose pointers all lie in the image.

use bytes::Bytes;
use hotstage_core::datatype::Datatype;
use hotstage_core::tensor::{Shape, Tensor};

use super::component::{BOOL, BYTES, FP32, IMAGE, words};

/// Bytes of a record `tensor`: the datatype, the shape's list, and the payload.
const RECORD: usize = 24;

/// The tensors of an image; `None` if it holds an error, or a pointer or handle unknown here.
pub(super) fn of(image: &[u8], held: &Bytes) -> Option<Vec<Tensor>> {
    let word =
        |at: usize| Some(u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?) as usize);
    let inside = |address: usize| address.checked_sub(IMAGE as usize);
    if *image.first()? != 0 {
        return None;
    }
    let (list, count) = (inside(word(4)?)?, word(8)?);
    let tensor = |index: usize| {
        let at = list + index * RECORD;
        let datatype = *Datatype::ALL.get(usize::from(*image.get(at)?))?;
        let (sizes, dimensions) = (inside(word(at + 4)?)?, word(at + 8)?);
        let sizes = image.get(sizes..sizes.checked_add(dimensions.checked_mul(8)?)?)?;
        let shape: Shape = sizes
            .chunks_exact(8)
            .map(|size| u64::from_le_bytes(size.try_into().unwrap()))
            .collect();
        let data = match image.get(at + 12)? {
            0 => {
                let (start, length) = (inside(word(at + 16)?)?, word(at + 20)?);
                Bytes::copy_from_slice(image.get(start..start.checked_add(length)?)?)
            }
            // The only handle that the guest holds.
            _ => held.clone(),
        };
        Tensor::new(datatype, shape, data).ok()
    };
    (0..count).map(tensor).collect()
}

/// Builds images.
struct Image(Vec<u8>);

impl Image {
    /// Adds bytes and returns their address.
    fn put(&mut self, bytes: &[u8]) -> u32 {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let at = IMAGE + u32::try_from(self.0.len()).unwrap();
        self.0.extend_from_slice(bytes);
        at
    }

    fn record(&mut self, datatype: u8, shape: &[u64], payload: [u32; 3]) -> Vec<u8> {
        let sizes: Vec<u8> = shape.iter().flat_map(|size| size.to_le_bytes()).collect();
        let sizes = self.put(&sizes);
        let [case, first, second] = payload;
        words(&[
            u32::from(datatype),
            sizes,
            u32::try_from(shape.len()).unwrap(),
            case,
            first,
            second,
        ])
    }

    fn inline(&mut self, datatype: u8, shape: &[u64], data: &[u8]) -> Vec<u8> {
        let at = self.put(data);
        self.record(datatype, shape, [0, at, u32::try_from(data.len()).unwrap()])
    }

    /// Finishes the image with a result that holds these tensors.
    fn answer(mut self, records: &[Vec<u8>]) -> Vec<u8> {
        let list = self.put(&records.concat());
        let head = words(&[0, list, u32::try_from(records.len()).unwrap()]);
        self.0[..head.len()].copy_from_slice(&head);
        self.0
    }
}

/// Typical answers of a guest: valid ones, one with a handle, and failures.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let new = || Image(vec![0; 16]);
    let floats = [1.0_f32, -2.5, 3.0, f32::NAN]
        .map(f32::to_le_bytes)
        .concat();
    let texts = [&3_u32.to_le_bytes()[..], b"abc", &0_u32.to_le_bytes()].concat();
    let mut image = new();
    let whole = [
        image.inline(FP32, &[2, 2], &floats),
        image.inline(BYTES, &[2], &texts),
        image.inline(BOOL, &[3], &[1, 0, 1]),
    ];
    let mut seeds = vec![image.answer(&whole)];
    let mut image = new();
    let held = [
        image.record(FP32, &[2049, 2], [1, 1, 0]),
        image.inline(BYTES, &[0], &[]),
        image.inline(BOOL, &[3], &[0, 0, 0]),
    ];
    seeds.push(image.answer(&held));
    seeds.push(new().answer(&[]));
    for case in 0..3_u32 {
        let mut image = new();
        let text = image.put("a failure's text: \u{e9}\n".as_bytes());
        image.0[..16].copy_from_slice(&words(&[1, case, text, 21]));
        seeds.push(image.0);
    }
    // A failure without a text.
    seeds.push(words(&[1, 0, IMAGE, 0]));
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_answer_is_read_and_one_that_points_elsewhere_is_not() {
        let held = Bytes::from_static(b"held");
        let seeds = seeds();
        let read = of(&seeds[0], &held).unwrap();
        assert_eq!(
            (read.len(), read[0].shape(), &read[2].data()[..]),
            (3, &[2, 2][..], &[1, 0, 1][..])
        );
        assert_eq!(of(&seeds[2], &held), Some(Vec::new()));
        assert_eq!(of(&seeds[3], &held), None);
        let mut elsewhere = seeds[0].clone();
        elsewhere[4..8].copy_from_slice(&7_u32.to_le_bytes());
        assert_eq!(of(&elsewhere, &held), None);
    }
}
