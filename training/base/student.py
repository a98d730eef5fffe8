"""The student: MiniLM's layers over a transferred bilingual vocabulary, with a head into USE's space."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import opencc
import sentencepiece
import torch
from safetensors.torch import load_file, save_file
from sklearn.linear_model import Ridge
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel

from training.base.parents import FloatArray, minilm_dir, use_dir, use_embedding
from training.base.vocabulary import SPACE, Vocabulary, is_han

log = logging.getLogger(__name__)
HEAD_FILE = "use_head.safetensors"


def _use_row(
    piece: str, processor: sentencepiece.SentencePieceProcessor, table: FloatArray
) -> FloatArray | None:
    """Return USE's row of a piece, or the mean of the rows it splits into, (512,)."""
    number = processor.piece_to_id(piece)
    if number == processor.unk_id() and is_han(piece):
        number = processor.piece_to_id(SPACE + piece)
    if number != processor.unk_id():
        return np.asarray(table[number])
    parts = [n for n in processor.encode(piece.lstrip(SPACE)) if n != processor.unk_id()]
    words = [n for n in parts if processor.id_to_piece(n) != SPACE] or parts
    return np.asarray(table[words].mean(0), np.float32) if words else None


def transfer_embeddings(vocabulary: Vocabulary, seed: int) -> tuple[FloatArray, dict[str, float]]:
    """Give every piece a row in MiniLM's space without training; return (pieces, 384) and some figures.

    Shared pieces copy MiniLM's row; the others map USE's row by a ridge regression fitted on the shared ones
    (as WECHSEL, Minixhofer et al. 2022, and FOCUS, Dobler & de Melo 2023, do with other auxiliary spaces).
    """
    rng = np.random.default_rng(seed)
    words = (minilm_dir() / "vocab.txt").read_text(encoding="utf-8").splitlines()
    numbers = {word: number for number, word in enumerate(words)}
    state = load_file(minilm_dir() / "model.safetensors")
    mini = state["embeddings.word_embeddings.weight"].float().numpy()
    processor = sentencepiece.SentencePieceProcessor(model_file=str(use_dir() / "sp.model"))
    table, simplify = use_embedding(), opencc.OpenCC("t2s")
    rows: list[FloatArray | None] = []
    copied: dict[int, int] = {}
    for index, piece in enumerate(vocabulary.pieces):
        twin = _minilm_twin(piece, numbers)
        if twin is not None:
            copied[index] = twin
        row = _use_row(piece, processor, table)
        if row is None and is_han(piece):
            row = _use_row(str(simplify.convert(piece)), processor, table)
        rows.append(row)
    shared = [index for index in copied if rows[index] is not None]
    x = np.stack([row for index in shared if (row := rows[index]) is not None])
    y = mini[[copied[index] for index in shared]]
    split = rng.permutation(len(shared))
    test, fit = split[: len(split) // 10], split[len(split) // 10 :]
    ridge = Ridge(alpha=1.0).fit(x[fit], y[fit])
    guess = ridge.predict(x[test])
    cosine = float(
        np.mean(np.sum(guess * y[test], 1) / np.linalg.norm(guess, axis=1) / np.linalg.norm(y[test], axis=1))
    )
    norm = float(np.linalg.norm(y, axis=1).mean())
    result = rng.normal(0, 0.02, (len(rows), mini.shape[1])).astype(np.float32)
    known = [index for index, row in enumerate(rows) if row is not None]
    mapped = ridge.predict(np.stack([row for row in rows if row is not None]))
    result[known] = mapped / np.linalg.norm(mapped, axis=1, keepdims=True) * norm
    for index, twin in copied.items():
        result[index] = mini[twin]
    return result, {"copied": len(copied), "mapped": len(known), "heldout_cosine": round(cosine, 4)}


def _minilm_twin(piece: str, numbers: dict[str, int]) -> int | None:
    """Return MiniLM's number of the same piece; Chinese is excluded because MiniLM hardly saw any."""
    if is_han(piece):
        return None
    if piece in numbers and (piece.startswith("[") or not piece.isalnum()):
        return numbers[piece]
    word = piece[1:] if piece.startswith(SPACE) else "##" + piece
    return numbers.get(word)


@dataclass
class Student:
    """The model in training: a BERT body, its tokenizer, the USE head and the masked-word transform."""

    body: BertModel
    tokenizer: Tokenizer
    use_head: nn.Linear
    mlm: nn.Sequential

    def dense_parameters(self) -> list[nn.Parameter]:
        """Everything but the word table, whose rows have their own sparse optimiser."""
        table = self.body.embeddings.word_embeddings.weight
        rest = [p for p in self.body.parameters() if p is not table]
        return [*rest, *self.use_head.parameters(), *self.mlm.parameters()]

    def hidden(self, rows: Tensor, mask: Tensor) -> Tensor:
        """Run the body on word rows (b, t, 384) and a mask (b, t); return (b, t, 384)."""
        return self.body(inputs_embeds=rows, attention_mask=mask).last_hidden_state

    @staticmethod
    def pool(hidden: Tensor, mask: Tensor) -> Tensor:
        """Mean over the tokens, (b, 384) float32."""
        weight = mask[..., None].float()
        return (hidden.float() * weight).sum(1) / weight.sum(1)


def new_student(tokenizer: Tokenizer, rows: FloatArray) -> Student:
    """Build the untrained student from MiniLM's layers and transferred rows (pieces, 384)."""
    # Eager attention: its backward pass is three times as fast on a CPU as the fused one at these lengths.
    config = BertConfig.from_pretrained(str(minilm_dir()))
    config.vocab_size = len(rows)
    body = BertModel(config, add_pooling_layer=False)
    state = load_file(minilm_dir() / "model.safetensors")
    state = {k: v.float() for k, v in state.items() if not k.startswith("pooler") and "position_ids" not in k}
    state["embeddings.word_embeddings.weight"] = torch.from_numpy(rows)
    body.load_state_dict(state, strict=True)
    return _wrap(body, tokenizer)


def _wrap(body: BertModel, tokenizer: Tokenizer) -> Student:
    body.set_attn_implementation("eager")
    body.eval()  # no dropout: the targets are exact
    width = body.config.hidden_size
    mlm = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
    return Student(body, tokenizer, nn.Linear(width, 512), mlm)


def load_student(model_dir: Path) -> Student:
    """Load a student that `save_student` wrote (or the shipped base)."""
    body = BertModel.from_pretrained(str(model_dir), add_pooling_layer=False, dtype=torch.float32)
    student = _wrap(body, Tokenizer.from_file(str(model_dir / "tokenizer.json")))
    head = load_file(model_dir / HEAD_FILE)
    student.use_head.load_state_dict({key: value.float() for key, value in head.items()})
    return student


def save_student(student: Student, model_dir: Path) -> None:
    """Write an ordinary `transformers` BERT folder (float16) that is a sentence-transformers folder as well."""
    model_dir.mkdir(parents=True, exist_ok=True)
    state = {
        key: value.detach().cpu().half().contiguous() for key, value in student.body.state_dict().items()
    }
    state = {key: value for key, value in state.items() if "position_ids" not in key}
    save_file(state, model_dir / "model.safetensors", metadata={"format": "pt"})
    head = {
        key: value.detach().cpu().half().contiguous() for key, value in student.use_head.state_dict().items()
    }
    save_file(head, model_dir / HEAD_FILE)
    config = student.body.config.to_dict()
    for key in ("_name_or_path", "transformers_version", "_attn_implementation_internal"):
        config.pop(key, None)
    config.update(architectures=["BertModel"], model_type="bert", dtype="float32")
    _json(model_dir / "config.json", config)
    student.tokenizer.no_padding()
    student.tokenizer.no_truncation()
    student.tokenizer.save(str(model_dir / "tokenizer.json"))
    tokens = {
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
        "pad_token": "[PAD]",
        "sep_token": "[SEP]",
        "unk_token": "[UNK]",
    }
    extra = {"model_max_length": 512, "model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}
    _json(
        model_dir / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **tokens, **extra}
    )
    _json(model_dir / "special_tokens_map.json", tokens)
    _sentence_transformers_files(model_dir, int(student.body.config.hidden_size))


def _sentence_transformers_files(model_dir: Path, width: int) -> None:
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(kinds)
    ]
    _json(model_dir / "modules.json", modules)
    _json(model_dir / "sentence_bert_config.json", {"max_seq_length": 128, "do_lower_case": False})
    (model_dir / "1_Pooling").mkdir(exist_ok=True)
    _json(
        model_dir / "1_Pooling" / "config.json",
        {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True},
    )


def _json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def fit_use_head(student: Student, pooled: FloatArray, targets: FloatArray) -> None:
    """Start the 384 to 512 head from a ridge regression on pooled vectors (n, 384) and targets (n, 512)."""
    ridge = Ridge(alpha=1.0).fit(pooled, targets)
    with torch.no_grad():
        student.use_head.weight.copy_(torch.from_numpy(np.asarray(ridge.coef_, np.float32)))
        student.use_head.bias.copy_(torch.from_numpy(np.asarray(ridge.intercept_, np.float32)))


@torch.inference_mode()
def embed(student: Student, texts: list[str], batch: int = 128, head: bool = False) -> FloatArray:
    """Encode texts with the torch student; unit vectors (n, 384), or (n, 512) through the head."""
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    out = np.zeros((len(texts), 512 if head else student.body.config.hidden_size), np.float32)
    device = next(student.body.parameters()).device
    student.tokenizer.enable_truncation(128)
    student.tokenizer.enable_padding(pad_id=0)
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        encodings = student.tokenizer.encode_batch([texts[row] for row in rows])
        ids = torch.tensor([e.ids for e in encodings], device=device)
        mask = torch.tensor([e.attention_mask for e in encodings], device=device)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            hidden = student.body(input_ids=ids, attention_mask=mask).last_hidden_state
        pooled = Student.pool(hidden, mask)
        vector = student.use_head(pooled) if head else pooled
        out[rows] = functional.normalize(vector, dim=-1).cpu().numpy()
    return out
