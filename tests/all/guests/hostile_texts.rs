//! The guests of [`hostile`](super::hostile). Each has one fault when `x[0]` is 13.

use super::row::{Row, Then, answers, breaks, fails, spins, traps};

/// This many numbers make the host request 52 bytes, a size that no other allocation has.
const LONG: &[f32] = &[1.; 13];

pub(super) const ROWS: &[Row] = &[
    // Handles.
    answers(
        "slices_out_of_range",
        "(func $misbehave (param $x i32) (result i32) (local $h i32)
           (local.set $h (call $create (i32.const 0) (i32.const 4)))
           (call $slice (local.get $h) (i64.const -1) (i64.const -1) (i32.const 2048))
           (if (i32.eqz (i32.load8_u (i32.const 2048))) (then unreachable))
           (if (i64.ne (i64.load (i32.const 2064)) (i64.const 4)) (then unreachable))
           (call $read (local.get $h) (i64.const -1) (i64.const 2) (i32.const 2048))
           (if (i32.eqz (i32.load8_u (i32.const 2048))) (then unreachable))
           (call $slice (local.get $h) (i64.const 4) (i64.const 1) (i32.const 2048))
           (if (i32.eqz (i32.load8_u (i32.const 2048))) (then unreachable))
           (call $drop (local.get $h))
           (call $answer (local.get $x) (i32.const 1)))",
    ),
    breaks(
        "forges_a_handle",
        "(func $misbehave (param $x i32) (result i32) (drop (call $length (i32.const 77777))) (i32.const 0))",
    ),
    breaks(
        "drops_twice",
        "(func $misbehave (param $x i32) (result i32) (local $h i32)
           (local.set $h (call $create (i32.const 0) (i32.const 4)))
           (call $drop (local.get $h)) (call $drop (local.get $h)) (i32.const 0))",
    ),
    breaks(
        "uses_what_it_gave",
        "(func $misbehave (param $x i32) (result i32) (local $h i32)
           (local.set $h (call $create (i32.const 0) (i32.const 4)))
           (call $consume (local.get $h) (i32.const 2048))
           (drop (call $length (local.get $h))) (i32.const 0))",
    ),
    breaks(
        "gives_twice",
        "(func $misbehave (param $x i32) (result i32) (local $h i32)
           (local.set $h (call $create (i32.const 0) (i32.const 4)))
           (i32.store8 (i32.const 3012) (i32.const 1)) (i32.store (i32.const 3016) (local.get $h))
           (i32.store8 (i32.const 3036) (i32.const 1)) (i32.store (i32.const 3040) (local.get $h))
           (call $answer (i32.const 3000) (i32.const 2)))",
    ),
    breaks(
        "takes_a_pollable_for_a_buffer",
        "(func $misbehave (param $x i32) (result i32)
           (drop (call $length (call $subscribe (i64.const 0)))) (i32.const 0))",
    ),
    breaks(
        "creates_from_beyond",
        "(func $misbehave (param $x i32) (result i32) (call $create (i32.const -16) (i32.const 1024)))",
    ),
    fails(
        "shares_forever",
        "stage_handles",
        "held more than 64 buffers",
        "(func $misbehave (param $x i32) (result i32) (local $h i32)
           (local.set $h (call $create (i32.const 0) (i32.const 4)))
           (loop $l (drop (call $share (local.get $h))) (br $l)) unreachable)",
    ),
    fails(
        "slices_forever",
        "stage_handles",
        "held more than 64 buffers",
        "(func $misbehave (param $x i32) (result i32) (local $h i32)
           (local.set $h (call $create (i32.const 0) (i32.const 4)))
           (loop $l (call $slice (local.get $h) (i64.const 1) (i64.const 2) (i32.const 2048)) (br $l)) unreachable)",
    ),
    fails(
        "reads_forever",
        "stage_memory",
        "wanted more memory than 100663296 bytes",
        "(memory (export \"memory\") 32)
         (func $misbehave (param $x i32) (result i32) (local $h i32)
           (local.set $h (call $create (i32.const 0) (i32.const 1048576)))
           (loop $l (call $read (local.get $h) (i64.const 0) (i64.const 1048576) (i32.const 2048)) (br $l))
           unreachable)",
    ),
    // Answers.
    fails(
        "a_hundred_thousand_tensors",
        "stage_signature",
        "answered 100000 tensors where its signature has 1",
        "(memory (export \"memory\") 64)
         (func $misbehave (param $x i32) (result i32) (call $answer (i32.const 1048576) (i32.const 100000)))",
    ),
    fails(
        "a_million_tensors",
        "stage_signature",
        "answered 1000000 tensors where its signature has 1",
        "(memory (export \"memory\") 400)
         (func $misbehave (param $x i32) (result i32) (call $answer (i32.const 1048576) (i32.const 1000000)))",
    ),
    fails(
        "a_million_dimensions",
        "stage_signature",
        "answered a wrong `y`: expected shape [-1], given one of 1000000 dimensions",
        "(memory (export \"memory\") 200)
         (func $misbehave (param $x i32) (result i32)
           (i32.store (i32.const 3000) (i32.const 11))
           (i32.store (i32.const 3004) (i32.const 1048576)) (i32.store (i32.const 3008) (i32.const 1000000))
           (call $answer (i32.const 3000) (i32.const 1)))",
    ),
    fails(
        "eight_million_dimensions",
        "stage_signature",
        "answered a wrong `y`: expected shape [-1], given one of 8000000 dimensions",
        "(memory (export \"memory\") 1024)
         (func $misbehave (param $x i32) (result i32)
           (i32.store (i32.const 3000) (i32.const 11))
           (i32.store (i32.const 3004) (i32.const 1048576)) (i32.store (i32.const 3008) (i32.const 8000000))
           (call $answer (i32.const 3000) (i32.const 1)))",
    ),
    breaks(
        "a_datatype_that_is_none",
        "(func $misbehave (param $x i32) (result i32)
           (i32.store8 (i32.const 3000) (i32.const 255)) (call $answer (i32.const 3000) (i32.const 1)))",
    ),
    breaks(
        "a_payload_that_is_none",
        "(func $misbehave (param $x i32) (result i32)
           (i32.store8 (i32.const 3012) (i32.const 7)) (call $answer (i32.const 3000) (i32.const 1)))",
    ),
    breaks(
        "a_failure_that_is_none",
        "(func $misbehave (param $x i32) (result i32) (call $fail (i32.const 9) (i32.const 0) (i32.const 0)))",
    ),
    breaks(
        "answers_from_beyond",
        "(func $misbehave (param $x i32) (result i32) (call $answer (i32.const -24) (i32.const 1)))",
    ),
    breaks("answers_from_nowhere", "(func $misbehave (param $x i32) (result i32) (i32.const -4))"),
    breaks("answers_off_the_grid", "(func $misbehave (param $x i32) (result i32) (i32.const 513))"),
    breaks(
        "an_error_that_is_no_text",
        "(data (i32.const 3000) \"\\ff\\fe\")
         (func $misbehave (param $x i32) (result i32) (call $fail (i32.const 0) (i32.const 3000) (i32.const 2)))",
    ),
    breaks(
        "an_error_from_beyond",
        "(func $misbehave (param $x i32) (result i32) (call $fail (i32.const 0) (i32.const -8) (i32.const 64)))",
    ),
    Row {
        status: 400,
        then: Then::Stays,
        ..fails(
            "an_error_without_end",
            "invalid_input",
            " bytes more)",
            "(memory (export \"memory\") 800)
             (func $misbehave (param $x i32) (result i32)
               (call $fail (i32.const 0) (i32.const 1048576) (i32.const 50000000)))",
        )
    },
    Row {
        status: 400,
        then: Then::Stays,
        ..fails(
            "an_error_that_drives_terminals",
            "invalid_input",
            "a\\u001b[2Jb\\u202ec\\nd",
            "(data (i32.const 3000) \"a\\1b[2Jb\\e2\\80\\aec\\0ad\")
             (func $misbehave (param $x i32) (result i32) (call $fail (i32.const 0) (i32.const 3000) (i32.const 12)))",
        )
    },
    // After and before the call itself.
    traps(
        "traps_in_post_return",
        "unreachable",
        "(global $triggered (mut i32) (i32.const 0))
         (func $misbehave (param $x i32) (result i32)
           (global.set $triggered (i32.const 1)) (call $answer (local.get $x) (i32.const 1)))
         (func $post (if (global.get $triggered) (then unreachable)))",
    ),
    spins(
        "spins_in_post_return",
        "(global $triggered (mut i32) (i32.const 0))
         (func $misbehave (param $x i32) (result i32)
           (global.set $triggered (i32.const 1)) (call $answer (local.get $x) (i32.const 1)))
         (func $post (if (global.get $triggered) (then (loop $l (br $l)))))",
    ),
    traps(
        "exits_in_post_return",
        "cannot leave component instance",
        "(global $triggered (mut i32) (i32.const 0))
         (func $misbehave (param $x i32) (result i32)
           (global.set $triggered (i32.const 1)) (call $answer (local.get $x) (i32.const 1)))
         (func $post (if (global.get $triggered) (then (call $exit (i32.const 0)))))",
    ),
    Row {
        x: LONG,
        ..traps(
            "traps_in_realloc",
            "unreachable",
            "(func $realloc (param i32 i32 i32 i32) (result i32)
               (if (i32.eq (local.get 3) (i32.const 52)) (then unreachable)) (call $allocate (local.get 3)))",
        )
    },
    Row {
        x: LONG,
        ..spins(
            "spins_in_realloc",
            "(func $realloc (param i32 i32 i32 i32) (result i32)
               (if (i32.eq (local.get 3) (i32.const 52)) (then (loop $l (br $l)))) (call $allocate (local.get 3)))",
        )
    },
    Row {
        x: LONG,
        ..breaks(
            "a_wild_pointer_from_realloc",
            "(func $realloc (param i32 i32 i32 i32) (result i32)
               (if (i32.eq (local.get 3) (i32.const 52)) (then (return (i32.const -16))))
               (call $allocate (local.get 3)))",
        )
    },
    Row {
        x: LONG,
        ..traps(
            "calls_out_of_realloc",
            "cannot leave component instance",
            "(func $realloc (param i32 i32 i32 i32) (result i32)
               (if (i32.eq (local.get 3) (i32.const 52)) (then (drop (call $threshold))))
               (call $allocate (local.get 3)))",
        )
    },
    Row {
        x: LONG,
        ..answers(
            "grows_in_realloc",
            "(func $realloc (param i32 i32 i32 i32) (result i32)
               (if (i32.eq (local.get 3) (i32.const 52))
                 (then (loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))))
               (call $allocate (local.get 3)))",
        )
    },
    // The host's time and memory.
    breaks(
        "polls_two_million",
        "(memory (export \"memory\") 200)
         (func $misbehave (param $x i32) (result i32) (local $h i32) (local $at i32)
           (local.set $h (call $subscribe (i64.const -1)))
           (local.set $at (i32.const 1048576))
           (loop $l
             (i32.store (local.get $at) (local.get $h))
             (local.set $at (i32.add (local.get $at) (i32.const 4)))
             (br_if $l (i32.lt_u (local.get $at) (i32.const 9048576))))
           (call $poll (i32.const 1048576) (i32.const 2000000) (i32.const 2048))
           (call $answer (local.get $x) (i32.const 1)))",
    ),
    answers(
        "waits_for_a_clock",
        "(func $misbehave (param $x i32) (result i32)
           (call $block (call $subscribe (i64.const -1))) (call $answer (local.get $x) (i32.const 1)))",
    ),
    answers(
        "waits_for_stdin",
        "(func $misbehave (param $x i32) (result i32)
           (call $blocking_read (call $stdin) (i64.const 1152921504606846976) (i32.const 2048))
           (call $answer (local.get $x) (i32.const 1)))",
    ),
    breaks(
        "draws_a_terabyte",
        "(func $misbehave (param $x i32) (result i32)
           (call $random (i64.const 1099511627776) (i32.const 2048)) (i32.const 0))",
    ),
    breaks(
        "writes_zeroes",
        "(func $misbehave (param $x i32) (result i32)
           (call $write_zeroes (call $stdout) (i64.const 1152921504606846976) (i32.const 2048)) (i32.const 0))",
    ),
    breaks(
        "logs_at_no_level",
        "(func $misbehave (param $x i32) (result i32)
           (call $log (i32.const 200) (i32.const 0) (i32.const 8)) (i32.const 0))",
    ),
    spins(
        "logs_forever",
        "(func $misbehave (param $x i32) (result i32)
           (loop $l (call $log (i32.const 4) (i32.const 131072) (i32.const 65536)) (br $l)) unreachable)",
    ),
    answers(
        "a_metric_with_a_name_of_a_megabyte",
        "(memory (export \"memory\") 32)
         (func $misbehave (param $x i32) (result i32)
           (call $observe (i32.const 1048576) (i32.const 1048576) (f64.const nan))
           (call $answer (local.get $x) (i32.const 1)))",
    ),
    spins(
        "asks_forever",
        "(func $misbehave (param $x i32) (result i32) (loop $l (drop (call $threshold)) (br $l)) unreachable)",
    ),
    spins(
        "opens_what_is_not_there",
        "(func $misbehave (param $x i32) (result i32)
           (loop $l (call $file (i32.const 0) (i32.const 64) (i32.const 2048)) (br $l)) unreachable)",
    ),
    // The rules of WebAssembly itself.
    traps(
        "calls_another_type",
        "indirect call type mismatch",
        "(table 2 funcref) (elem (i32.const 0) $post)
         (func $misbehave (param $x i32) (result i32) (call_indirect (result i32) (i32.const 0)))",
    ),
    traps(
        "calls_nothing",
        "uninitialized element",
        "(table 2 funcref)
         (func $misbehave (param $x i32) (result i32) (call_indirect (result i32) (i32.const 1)))",
    ),
    traps(
        "calls_beyond_its_table",
        "out of bounds table access",
        "(table 2 funcref)
         (func $misbehave (param $x i32) (result i32) (call_indirect (result i32) (i32.const 100000)))",
    ),
    traps(
        "recurses_through_its_table",
        "call stack exhausted",
        "(table 2 funcref) (elem (i32.const 0) $misbehave)
         (func $misbehave (param $x i32) (result i32)
           (i32.add (i32.const 1) (call_indirect (param i32) (result i32) (local.get $x) (i32.const 0))))",
    ),
    answers(
        "grows_its_table",
        "(table $t 2 funcref)
         (func $misbehave (param $x i32) (result i32)
           (loop $l (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 999)) (i32.const -1))))
           (if (i32.gt_u (table.size $t) (i32.const 100000)) (then unreachable))
           (call $answer (local.get $x) (i32.const 1)))",
    ),
    answers(
        "grows_and_goes_on",
        "(func $misbehave (param $x i32) (result i32)
           (loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
           (call $answer (local.get $x) (i32.const 1)))",
    ),
    fails(
        "grows_and_fills",
        "stage_memory",
        "wanted more memory than 100663296 bytes",
        "(func $misbehave (param $x i32) (result i32)
           (loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
           (memory.fill (i32.const 65536) (i32.const 7)
             (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 65536)))
           unreachable)",
    ),
    spins(
        "fills_forever",
        "(memory (export \"memory\") 512)
         (func $misbehave (param $x i32) (result i32)
           (loop $l (memory.fill (i32.const 65536) (i32.const 7) (i32.const 33000000)) (br $l)) unreachable)",
    ),
    traps(
        "copies_beyond_its_memory",
        "out of bounds memory access",
        "(func $misbehave (param $x i32) (result i32)
           (memory.copy (i32.const 0) (i32.const 200000) (i32.const -1)) unreachable)",
    ),
    traps(
        "makes_a_whole_number_of_none",
        "invalid conversion to integer",
        "(func $misbehave (param $x i32) (result i32) (i32.trunc_f32_s (f32.const nan)))",
    ),
    traps(
        "names_that_drive_terminals",
        "unreachable",
        "(func $inner (@name \"\\1b[31mred\\1b[0m\\0a2026 ERROR request: forged\\e2\\80\\ae\") unreachable)
         (func $misbehave (param $x i32) (result i32) (call $inner) (i32.const 0))",
    ),
];
