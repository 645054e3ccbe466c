//! The component's memory: a shelf of free blocks for each small size, over the standard library's
//! allocator.
//!
//! A call of a small stage allocates and frees a dozen times, on both sides of the wall: lists
//! cross it as memory of the component's own. In the sandbox the standard library's allocator takes
//! two hundred instructions for each, which made a third of a small stage. Here a block that was
//! freed lies on its size's shelf, for the next of that size.
//!
//! Default: on. A component that brings its own `#[global_allocator]` turns the feature `allocator`
//! off. Bounds: [`SHELF`] blocks on each of [`SHELVES`] shelves, less than 300 KiB in all; what is
//! larger, or finds its shelf full, is the standard library's, and all of it is bounded by the
//! stage's limit `memory`.
//!
//! Unsafe, as an allocator is. It runs inside the sandbox, so a mistake in it could harm its own
//! component alone.

#![expect(
    unsafe_code,
    reason = "an allocator hands out raw memory; see its head"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::{NonNull, null_mut};

/// Sizes of blocks go up in such steps.
const STEP: usize = 16;
/// As many sizes as there are shelves.
const SHELVES: usize = 32;
/// Most blocks on one.
const SHELF: u32 = 32;
/// What every block is aligned to.
const ALIGN: usize = 8;

/// The shelves of one thread.
pub(crate) struct Shelves([Shelf; SHELVES]);

/// Free blocks of one size, each of which holds the place of the next.
struct Shelf {
    first: Cell<Option<NonNull<Block>>>,
    count: Cell<u32>,
}

struct Block {
    next: Option<NonNull<Self>>,
}

// SAFETY: WebAssembly components of this package have one thread. Natively only tests make one, for
// one thread each.
unsafe impl Sync for Shelves {}

impl Shelves {
    pub(crate) const fn new() -> Self {
        Self(
            [const {
                Shelf {
                    first: Cell::new(None),
                    count: Cell::new(0),
                }
            }; SHELVES],
        )
    }
}

impl Shelf {
    fn take(&self) -> Option<NonNull<Block>> {
        let block = self.first.get()?;
        // SAFETY: what lies on a shelf was given up by its owner, and `put` wrote a `Block` into
        // it.
        self.first.set(unsafe { block.as_ref() }.next);
        self.count.set(self.count.get() - 1);
        Some(block)
    }

    /// Says whether there was room.
    ///
    /// # Safety
    ///
    /// The block is as large as this shelf's, aligned to [`ALIGN`], and nobody else's.
    unsafe fn put(&self, block: NonNull<Block>) -> bool {
        if self.count.get() == SHELF {
            return false;
        }
        // SAFETY: the caller's promise; the smallest block is larger than a `Block`, and as well
        // aligned.
        unsafe {
            block.write(Block {
                next: self.first.get(),
            })
        };
        self.first.set(Some(block));
        self.count.set(self.count.get() + 1);
        true
    }
}

/// The shelf for memory of this layout.
const fn shelf_of(layout: Layout) -> Option<usize> {
    let index = layout.size().wrapping_sub(1) / STEP;
    if index < SHELVES && layout.align() <= ALIGN {
        Some(index)
    } else {
        None
    }
}

/// The layout of the blocks on a shelf.
const fn block_of(shelf: usize) -> Layout {
    match Layout::from_size_align((shelf + 1) * STEP, ALIGN) {
        Ok(layout) => layout,
        Err(_) => Layout::new::<Block>(),
    }
}

// SAFETY: memory is the standard library's, asked for with the layout of its shelf and given back
// with the same one, or with its own where it has no shelf; both follow from the layout that the
// caller must give both times. Between, a block has one owner: a caller, or the shelf that it lies
// on.
unsafe impl GlobalAlloc for Shelves {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(index) = shelf_of(layout) else {
            // SAFETY: the caller's promise about the layout.
            return unsafe { System.alloc(layout) };
        };
        match self.0[index].take() {
            Some(block) => block.as_ptr().cast(),
            // SAFETY: no shelf has blocks of size 0.
            None => unsafe { System.alloc(block_of(index)) },
        }
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let (Some(index), Some(block)) = (shelf_of(layout), NonNull::new(memory)) else {
            // SAFETY: memory without a shelf came from there, with this layout.
            return unsafe { System.dealloc(memory, layout) };
        };
        // SAFETY: it was allocated with this layout, so for this shelf, and its owner gives it up.
        if !unsafe { self.0[index].put(block.cast()) } {
            // SAFETY: a block came from there, with the layout of its shelf.
            unsafe { System.dealloc(memory, block_of(index)) }
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size is sound with this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (shelf_of(layout), shelf_of(wanted)) {
            (Some(had), Some(wanted)) if had == wanted => return memory,
            // SAFETY: memory without a shelf came from there, with this layout.
            (None, None) => return unsafe { System.realloc(memory, layout, size) },
            _ => {}
        }
        // SAFETY: as above.
        let moved = unsafe { self.alloc(wanted) };
        if moved.is_null() {
            return null_mut();
        }
        // SAFETY: both are at least as long as is copied, and the new one is nobody else's; the old
        // one's owner gives it up, as its layout says.
        unsafe {
            memory.copy_to_nonoverlapping(moved, layout.size().min(size));
            self.dealloc(memory, layout);
        }
        moved
    }
}

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: Shelves = Shelves::new();

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory that somebody has, filled with a byte of its own.
    struct Had {
        memory: *mut u8,
        layout: Layout,
        fill: u8,
    }

    impl Had {
        fn new(memory: *mut u8, layout: Layout, fill: u8) -> Self {
            assert!(!memory.is_null() && memory.addr().is_multiple_of(layout.align()));
            // SAFETY: it was allocated with this layout.
            unsafe { memory.write_bytes(fill, layout.size()) };
            Self {
                memory,
                layout,
                fill,
            }
        }

        /// Nobody else wrote to it.
        fn is_whole(&self, size: usize) -> bool {
            // SAFETY: as many bytes were written when it was made.
            unsafe { std::slice::from_raw_parts(self.memory, size) }
                .iter()
                .all(|byte| *byte == self.fill)
        }
    }

    /// Numbers that look like chance and are the same each time.
    fn chance(state: &mut u32, bound: u32) -> usize {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from((*state >> 8) % bound).unwrap()
    }

    #[test]
    fn memory_has_one_owner_whatever_comes_and_goes() {
        let (shelves, mut state, mut all) = (Shelves::new(), 7, Vec::<Had>::new());
        for round in 0..100_000_usize {
            let fill = u8::try_from(round % 251).unwrap();
            let size = 1 + chance(&mut state, 700);
            match chance(&mut state, 5) {
                0 | 1 if !all.is_empty() => {
                    let index = chance(&mut state, u32::try_from(all.len()).unwrap());
                    let had = all.swap_remove(index);
                    assert!(had.is_whole(had.layout.size()));
                    // SAFETY: it was allocated with this layout, and is not looked at again.
                    unsafe { shelves.dealloc(had.memory, had.layout) };
                }
                2 if !all.is_empty() => {
                    let index = chance(&mut state, u32::try_from(all.len()).unwrap());
                    let had = all.swap_remove(index);
                    // SAFETY: as above.
                    let memory = unsafe { shelves.realloc(had.memory, had.layout, size) };
                    let moved = Had { memory, ..had };
                    assert!(moved.is_whole(moved.layout.size().min(size)));
                    let layout = Layout::from_size_align(size, moved.layout.align()).unwrap();
                    all.push(Had::new(memory, layout, fill));
                }
                _ => {
                    let layout = Layout::from_size_align(size, 1 << chance(&mut state, 6)).unwrap();
                    // SAFETY: the size is not 0.
                    all.push(Had::new(unsafe { shelves.alloc(layout) }, layout, fill));
                }
            }
        }
        for had in all {
            assert!(had.is_whole(had.layout.size()));
            // SAFETY: as above.
            unsafe { shelves.dealloc(had.memory, had.layout) };
        }
        assert!(shelves.0.iter().all(|shelf| shelf.count.get() <= SHELF));
    }

    #[test]
    fn what_was_freed_is_taken_again_and_a_shelf_is_bounded() {
        let (shelves, layout) = (Shelves::new(), Layout::from_size_align(100, 8).unwrap());
        // SAFETY: the size is not 0; each is freed once, with its layout.
        unsafe {
            let first = shelves.alloc(layout);
            shelves.dealloc(first, layout);
            assert_eq!(
                shelves.alloc(Layout::from_size_align(97, 1).unwrap()),
                first
            );
            shelves.dealloc(first, layout);
            let many: Vec<*mut u8> = (0..2 * SHELF).map(|_| shelves.alloc(layout)).collect();
            many.into_iter()
                .for_each(|memory| shelves.dealloc(memory, layout));
        }
        assert_eq!(shelves.0[100 / STEP].count.get(), SHELF);
    }
}
