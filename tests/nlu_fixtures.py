"""A tiny encoder and a tiny labelled set, so that the whole way from text to model runs in seconds."""

from __future__ import annotations

import json
from pathlib import Path

from training.nlu.data import DataSet
from training.nlu.pipeline import Trained, train
from training.nlu.rasa_yaml import read_rasa_yaml
from training.nlu.settings import Augmentation, TrainSettings

YAML = """version: "3.1"
nlu:
- intent: departures
  examples: |
    - when does [bus 12](line) leave [City Hall](stop)
    - next [bus 5](line) from the [Zoo](stop)
    - [12路](line)几点到[市政厅](stop)
    - [动物园](stop)下一班[5路](line)几点来
    - when is the next bus at the [Zoo](stop)
    - what time does [bus 8](line) leave the [Zoo](stop)
    - [8路](line)什么时候到[动物园](stop)
    - [市政厅](stop)的车几点来
- intent: waste
  examples: |
    - which bin for batteries
    - where do I throw a broken cup
    - 电池扔哪个桶
    - 香蕉皮是什么垃圾
    - is a banana peel food waste
    - how do I sort glass
    - 玻璃瓶怎么分类
    - 旧衣服扔哪里
- intent: out_of_scope
  examples: |
    - tell me a joke
    - 讲个笑话
    - what is the capital of France
    - 写一首诗
    - who won the football match
    - 今天股票涨了吗
    - sing a song for me
    - 帮我写代码
"""

GAZETTEER = (
    "id,entity,zh,en,aliases\n"
    "stop:city-hall,stop,市政厅,City Hall,市政府\n"
    "stop:zoo,stop,动物园,Zoo,动物园站\n"
    "line:12,line,12路,Bus 12,12路公交车\n"
)


def tiny_data(folder: Path) -> DataSet:
    """Return three intents of eight texts each, in two languages, with entities."""
    path = folder / "tiny.yml"
    path.write_text(YAML, encoding="utf-8")
    return read_rasa_yaml(path)


def tiny_base(folder: Path) -> Path:
    """Write a random encoder of two narrow layers whose pieces are single characters and short words."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    base = folder / "base"
    base.mkdir(parents=True)
    words = sorted(
        {w for line in YAML.splitlines() for w in line.lower().replace("[", " ").replace("]", " ").split()}
    )
    chars = sorted(
        {char for char in YAML if not char.isspace()} | set("abcdefghijklmnopqrstuvwxyz0123456789")
    )
    vocabulary = [("[PAD]", 0.0), ("[UNK]", 0.0), ("[CLS]", 0.0), ("[SEP]", 0.0)]
    vocabulary += [("▁" + word, -5.0) for word in words if word.isascii() and word.isalpha()]
    vocabulary += [(char, -8.0) for char in ("▁", *chars)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=1, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(base / "tokenizer.json"))
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=130,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(str(base))
    assert json.loads((base / "config.json").read_text())["model_type"] == "bert"
    return base


def tiny_settings(base: Path, **changes: object) -> TrainSettings:
    """Return settings that learn the tiny set by heart in a few seconds."""
    values: dict[str, object] = {
        "base": base,
        "epochs": 12,
        "batch": 8,
        "lr": 2e-3,
        "lr_head": 1e-2,
        "dev_share": 0.0,
        "precision": "fp32",
        "threads": 1,
        "augmentation": Augmentation.off(),
    }
    return TrainSettings(**{**values, **changes})  # type: ignore[arg-type]


def train_tiny(folder: Path, **changes: object) -> Trained:
    """Train a tiny model, with the gazetteer, into `folder/model`."""
    base = tiny_base(folder)
    gazetteer = folder / "names.csv"
    gazetteer.write_text(GAZETTEER, encoding="utf-8")
    out = folder / "model"
    out.mkdir()
    return train(tiny_data(folder), out, tiny_settings(base, **changes), gazetteer=gazetteer)
