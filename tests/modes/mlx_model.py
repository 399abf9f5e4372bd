"""Makes a model folder for the MLX servers of a demo model in GGUF: the same weights, tokenizer and
chat template, so that it answers with the same script. For `anyclaude model demo`'s qwen3 models
(docs/demo-model.md); runs where mlx is installed.

    python mlx_model.py demo.gguf FOLDER [LAYERS]

With LAYERS only the first ones are taken: a scripted model says the same without the others, and MLX's
attention takes long on a CPU.
"""

import json
import pathlib
import sys

import mlx.core as mx

NORMAL, CONTROL, USER_DEFINED = 1, 3, 4  # tokenizer.ggml.token_type

# How Qwen2's tokenizer cuts text into words, which merges never cross.
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# GGUF's names of a layer's tensors, and Hugging Face's.
TENSORS = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
OUTER = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}


def hugging_face_name(name):
    if name in OUTER:
        return OUTER[name]
    _, layer, tensor, kind = name.split(".")
    return f"model.layers.{layer}.{TENSORS[tensor]}.{kind}"


def number(metadata, key):
    return metadata[key].item()


def model_config(metadata, vocabulary):
    def of(key):
        return number(metadata, "qwen3." + key)

    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "hidden_size": of("embedding_length"),
        "num_hidden_layers": of("block_count"),
        "intermediate_size": of("feed_forward_length"),
        "num_attention_heads": of("attention.head_count"),
        "num_key_value_heads": of("attention.head_count_kv"),
        "head_dim": of("attention.key_length"),
        "rms_norm_eps": of("attention.layer_norm_rms_epsilon"),
        "rope_theta": of("rope.freq_base"),
        "max_position_embeddings": of("context_length"),
        "vocab_size": vocabulary,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "bos_token_id": number(metadata, "tokenizer.ggml.bos_token_id"),
        "eos_token_id": number(metadata, "tokenizer.ggml.eos_token_id"),
    }


def tokenizer(metadata):
    texts = metadata["tokenizer.ggml.tokens"]
    types = metadata["tokenizer.ggml.token_type"].tolist()
    added = [
        {"id": at, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": kind == CONTROL}
        for at, (text, kind) in enumerate(zip(texts, types))
        if kind in (CONTROL, USER_DEFINED)
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
                  "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Isolated",
                 "invert": False},
                byte_level,
            ],
        },
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {text: at for at, text in enumerate(texts)},
            "merges": [merge.split(" ") for merge in metadata["tokenizer.ggml.merges"]],
        },
    }


def convert(gguf, folder, layers=None):
    weights, metadata = mx.load(str(gguf), return_metadata=True)
    layers = layers or number(metadata, "qwen3.block_count")
    assert metadata["general.architecture"] == "qwen3", "only qwen3 demo models can be converted"
    folder.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(
        str(folder / "model.safetensors"),
        {
            hugging_face_name(name): value.astype(mx.float32)
            for name, value in weights.items()
            if not name.startswith("blk.") or int(name.split(".")[1]) < layers
        },
        metadata={"format": "mlx"},
    )
    texts = metadata["tokenizer.ggml.tokens"]
    stop = texts[number(metadata, "tokenizer.ggml.eos_token_id")]
    files = {
        "config.json": model_config(metadata, len(texts)) | {"num_hidden_layers": layers},
        "tokenizer.json": tokenizer(metadata),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": stop,
            "pad_token": texts[number(metadata, "tokenizer.ggml.padding_token_id")],
            "model_max_length": number(metadata, "qwen3.context_length"),
            "clean_up_tokenization_spaces": False,
            "chat_template": metadata["tokenizer.chat_template"],
            "tool_parser_type": "json_tools",
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, ensure_ascii=False))


if __name__ == "__main__":
    convert(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *map(int, sys.argv[3:]))
