"""Build three small tokenizers and write the reference data of the stage `text`.

Writes wordpiece.json, bpe.json and unigram.json, a tokenizer.json of each kind, and golden.json: texts, their tokens by
each tokenizer, and batches of them with settings of the stage, truncated, joined and padded by the `tokenizers` package.
The tokenizers are trained only on the sentences in this file. This script computes the pieces of two of them, because
the package's trainers for those kinds break ties randomly.

    pip install -r requirements.txt && python make.py

Each run writes the same bytes. Fails when a tokenizer takes more than 60 KB.
"""

import json
import math
import os
import sys
from collections import Counter
from pathlib import Path

# Set before the package is imported: several threads would count words in another order.
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).resolve().parent
BYTES_MAX = 60_000

CORPUS = """
The harbour wakes before the town does, and the first boats are back with the tide.
A model that nobody can explain is a model that nobody should have to trust.
She measured the beam twice, cut it once, and still it was a finger too short.
What is served today was checked yesterday; what is checked today is served tomorrow.
Three things are counted: how many came, how many were answered, and how long they waited.
The lighthouse keeper wrote the weather down every evening for forty years.
Bread needs flour, water, salt and time, and of these time is the one that people forget.
If the river is high in March, the meadows are green in May.
Numbers from 0 to 9, such as 1995, 3.14 and 2,048, stand between words.
Don't, can't, won't and it's are words with an apostrophe; well-known is one with a hyphen.
A request goes in, an answer comes out, and between them a pipeline runs its stages.
Tokens are pieces of words; words are pieces of sentences; sentences are pieces of what somebody meant.
The committee's unbelievably long deliberations internationalised an otherwise straightforward question.
Old maps show islands that never were, drawn by people who had never been there.
Every autumn the cranes fly over the village, and every autumn the children count them.
The baker's daughter became an engineer, and the engineer's son became a baker.
Der Hafen erwacht vor der Stadt, und die ersten Boote sind mit der Flut zurück.
Größe, Maß und Straße schreiben sich mit einem Buchstaben, den andere Sprachen nicht kennen.
Le café était fermé, mais la boulangère nous a donné du pain et des œufs.
El niño corrió hasta el río para ver los peces pequeños.
Čtyři kočky seděly na střeše a dívaly se na měsíc.
Гавань просыпается раньше города, и первые лодки возвращаются с приливом.
Το λιμάνι ξυπνά πριν από την πόλη.
港は町より先に目を覚まします。最初の船は潮とともに戻ってきます。
港口比城市醒得早，第一批船随着潮水回来了。
항구는 도시보다 먼저 깨어난다.
المرفأ يستيقظ قبل المدينة.
הנמל מתעורר לפני העיר.
बंदरगाह शहर से पहले जागता है।
Emoji stand for what words say slowly: 🙂 🎉 🚢 ❤️ 👍🏽 and a family 👨‍👩‍👧.
"""

PIECE_CHARACTERS_MAX = 8

# Each with its number of repetitions.
TEXTS = [(text, 1) for text in [
    "", " ", "a", "The", "the", "Hello, world!", "The harbour wakes before the town does.",
    "THE HARBOUR WAKES BEFORE THE TOWN DOES.", "tokens", "untokenisable", "internationalisation",
    "Don't panic: it's only a well-known question.", "1995", "3.14159", "2,048 + 1 = 2,049", "50 % of £3.20",
    "tabs\tand\nlines\r\nend", "  leading and trailing  ", "a  b   c    d", "...!?", "(brackets) [and] {braces} <less>",
    "under_score and-hyphen and/slash", "https://example.org/a?b=c&d=e#f", "someone@example.org",
    "fn main() { println!(\"{}\", 1); }", "Größe und Straße", "ÄÖÜ äöü ß ẞ", "café", "cafe\u0301", "naïve façade œuvre",
    "El niño corrió", "Čtyři kočky", "Ångström Ærø Ørsted", "İstanbul ıssız", "Гавань просыпается", "ПЕРВЫЕ ЛОДКИ",
    "Το λιμάνι ξυπνά", "ΣΊΣΥΦΟΣ σίσυφος", "港は町より先に目を覚まします。", "ｆｕｌｌ　ｗｉｄｔｈ", "ﾊﾝｶｸ", "港口比城市醒得早",
    "漢字とkanji mixed", "𠮷野家", "항구는 도시보다", "한글 (decomposed 한글)", "المرفأ يستيقظ", "שָׁלוֹם עולם", "बंदरगाह शहर",
    "ภาษาไทย", "🙂", "🎉🚢❤️",
    "👍🏽 👨‍👩‍👧 🇳🇴", "zero\u200bwidth\u200djoin", "soft\u00adhyphen", "nbsp\u00a0and\u2003em space",
    "\ufeffbom", "control\u0001\u0002chars", "replacement \ufffd", "private \ue000 use",
    "[CLS] [SEP] [PAD] [UNK] [MASK]", "a[MASK]b", "<s> </s> <pad> <unk>", "<|endoftext|>", "ﬁ ligature ﬂ",
    "x² + y₃ ≠ ½", "→ ∑ √ ∞ ☃", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
    "a\u0300\u0301\u0302\u0303\u0304", "é" * 40, "supercalifragilisticexpialidocious" * 4,
]] + [("the quick harbour ", 400), ("a", 3000), ("港", 700), ("🙂 ", 300), (" ", 900), ("!?", 500)]


def index_of(start: str) -> int:
    """The index of the first text with this prefix."""
    return next(index for index, (text, _) in enumerate(TEXTS) if text.startswith(start))


def pieces(words: list[str], prefix: str, inside: str, most: int) -> list[tuple[str, int]]:
    """The pieces of the words and their counts: all characters, then the pieces that save most of them.

    A piece that starts a word gets `prefix`, another one `inside`.
    """
    counts: Counter[str] = Counter()
    for word in words:
        for start in range(len(word)):
            for end in range(start + 1, min(len(word), start + PIECE_CHARACTERS_MAX) + 1):
                counts[(inside if start else prefix) + word[start:end]] += 1
    bare = {piece: len(piece.removeprefix(inside or prefix)) for piece in counts}
    characters = sorted(piece for piece in counts if bare[piece] == 1)
    longer = (piece for piece in counts if bare[piece] > 1 and counts[piece] > 1)
    best = sorted(longer, key=lambda piece: (-counts[piece] * (bare[piece] - 1), piece))
    return [(piece, counts[piece]) for piece in characters + best[: most - len(characters)]]


def words_of(tokenizer: Tokenizer) -> list[str]:
    """The corpus after the tokenizer's normalisation and pre-tokenisation."""
    lines = CORPUS.strip().splitlines()
    parted = (tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(line)) for line in lines)
    return [word for line in parted for word, _ in line]


def wordpiece() -> Tokenizer:
    """As BERT's: lower case, `[CLS]` and `[SEP]`, rows padded on the right."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = special + [piece for piece, _ in pieces(words_of(tokenizer), "", "##", 600)]
    tokenizer.model = models.WordPiece({piece: number for number, piece in enumerate(vocabulary)}, unk_token="[UNK]")
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.enable_truncation(max_length=48)
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    return tokenizer


def bpe() -> Tokenizer:
    """As GPT-2's: bytes, no special tokens, no settings for length and padding."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS.splitlines(), trainer)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def unigram() -> Tokenizer:
    """As T5's: pieces with a score, `</s>` at the end, rows padded and truncated on the left."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    counted = pieces(words_of(tokenizer), "", "", 500)
    total = sum(count for _, count in counted)
    scored = [(piece, round(math.log(count / total), 4)) for piece, count in counted]
    tokenizer.model = models.Unigram([(token, 0.0) for token in special] + scored, unk_id=2)
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.enable_truncation(max_length=64, direction="left")
    tokenizer.enable_padding(direction="left", pad_id=0, pad_token="<pad>")
    return tokenizer


def encode(name: str, settings: dict, first: list[int], second: list[int] | None) -> dict:
    """The package's result for a batch, configured like the stage."""
    tokenizer = Tokenizer.from_file(str(HERE / f"{name}.json"))
    file_truncation, file_padding = tokenizer.truncation or {}, tokenizer.padding or {}
    max_length = settings.get("max_length", file_truncation.get("max_length", 512))
    tokenizer.enable_truncation(max_length, direction=file_truncation.get("direction", "right"))
    padding = settings.get("padding", "longest")
    tokenizer.enable_padding(
        direction=settings.get("padding_side", file_padding.get("direction", "right")),
        pad_id=tokenizer.token_to_id(settings.get("pad_token", file_padding.get("pad_token", "<|endoftext|>"))),
        length=max_length if padding == "max_length" else None,
        pad_to_multiple_of=padding["multiple_of"] if isinstance(padding, dict) else None,
    )
    texts = [text * times for text, times in TEXTS]
    rows = [texts[row] for row in first]
    if second is not None:
        rows = list(zip(rows, (texts[row] for row in second)))
    made = tokenizer.encode_batch(rows, add_special_tokens=settings.get("add_special_tokens", True))
    return {
        "tokenizer": name, "settings": settings, "first": first, "second": second, "shape": [len(made), len(made[0])],
        "input_ids": [row.ids for row in made], "attention_mask": [row.attention_mask for row in made],
        "token_type_ids": [row.type_ids for row in made],
    }


def batches() -> list[dict]:
    mixed = [index_of(start) for start in ("Hello", "the quick", "港は", "🎉", "a  b", "Größe", "café")]
    turned = mixed[::-1]
    made = []
    for name, pad in (("wordpiece", "[MASK]"), ("bpe", "<|endoftext|>"), ("unigram", "</s>")):
        made += [
            encode(name, {}, mixed, None),
            encode(name, {"max_length": 16, "padding": "max_length"}, mixed, None),
            encode(name, {"max_length": 40, "padding": {"multiple_of": 8}, "padding_side": "left"}, mixed, None),
            encode(name, {"max_length": 24, "add_special_tokens": False, "padding_side": "right"}, mixed, None),
            encode(name, {"max_length": 32, "pad_token": pad}, mixed, None),
            encode(name, {"max_length": 20}, mixed, turned),
            encode(name, {"max_length": 33, "padding": "max_length"}, turned, mixed),
        ]
    return made


def main() -> None:
    golden = {"texts": TEXTS, "alone": {}}
    for make in (wordpiece, bpe, unigram):
        path = HERE / f"{make.__name__}.json"
        make().save(str(path), pretty=False)
        size = path.stat().st_size
        print(f"{path.name}: {size} bytes")
        if BYTES_MAX < size:
            sys.exit(f"that is more than {BYTES_MAX}")
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_padding()
        if tokenizer.truncation is None:
            tokenizer.enable_truncation(512)
        golden["alone"][make.__name__] = [tokenizer.encode(text * times).ids for text, times in TEXTS]
    golden["batches"] = batches()
    (HERE / "golden.json").write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(f"golden.json: {len(TEXTS)} texts by 3 tokenizers, {len(golden['batches'])} batches")


if __name__ == "__main__":
    main()
