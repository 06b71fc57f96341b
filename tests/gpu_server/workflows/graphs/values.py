"""Values: primitives, reroutes, switches, batches, and models with LoRAs."""

from tests.gpu_server.workflows.graphs import (
    PLAIN,
    PLAIN_TABLE,
    SETTINGS,
    Kind,
    node,
    reroute,
    sampler,
    without,
)

PRIMITIVES = Kind(
    {
        **PLAIN,
        "sampler": sampler(
            seed=["seed", 0],
            steps=["steps", 0],
            cfg=["cfg", 0],
            model=["model_reroute", 0],
            positive=["good_reroute", 0],
        ),
        "seed": node("Seed (rgthree)", seed=5),
        "steps": reroute(["steps_value", 0]),
        "steps_value": node("PrimitiveInt", value=30),
        "cfg": node("PrimitiveFloat", value=6.5),
        "good_reroute": reroute(["good", 0]),
        "good": node("CLIPTextEncode", text=["words", 0], clip=["model", 1]),
        "words": node("String Literal", string="a cat"),
        "model_reroute": reroute(["model", 0]),
        "size": node("EmptyLatentImage", width=["side", 0], height=["tall", 0], batch_size=1),
        "side": node("INTConstant", value=768),
        "tall": node("easy int", value=512),
    },
    {
        **PLAIN_TABLE,
        "prompt": "words.string",
        "seed": "seed.seed",
        "steps": "steps_value.value",
        "cfg": "cfg.value",
        "width": "side.value",
        "height": "tall.value",
    },
)

SWITCHED = Kind(
    {
        **PLAIN,
        "sampler": sampler(steps=["steps", 0], model=["models", 0]),
        "fast": node("PrimitiveBoolean", value=True),
        "steps": node(
            "ComfySwitchNode", switch=["fast", 0], on_false=["many", 0], on_true=["few", 0]
        ),
        "many": node("PrimitiveInt", value=40),
        "few": node("PrimitiveInt", value=4),
        "models": node("ImpactSwitch", select=2, input1=["other", 0], input2=["model", 0]),
        "other": node("UNETLoader", unet_name="other.safetensors"),
    },
    {**PLAIN_TABLE, "steps": "few.value"},
)

COMPUTED = Kind(
    {
        **PLAIN,
        "sampler": sampler(cfg=["schedule", 0], steps=["steps", 0]),
        "schedule": node("CreateCFGScheduleFloatList", steps=["steps", 0], cfg_scale_start=2.0),
        "steps": node("PrimitiveInt", value=8),
        "size": node("EmptyLatentImage", width=["sum", 0], height=512, batch_size=1),
        "sum": node("SimpleMath+", value="a*16", a=["tiles", 0]),
        "tiles": node("PrimitiveInt", value=64),
    },
    {
        **PLAIN_TABLE,
        "steps": "steps.value",
        "cfg": "schedule.cfg_scale_start",
        "width": "tiles.value",
    },
)

LORAS = Kind(
    {
        **PLAIN,
        "sampler": sampler(model=["second", 0]),
        "good": node("CLIPTextEncode", text="a cat", clip=["second", 1]),
        "second": node(
            "LoraLoader",
            lora_name="style.safetensors",
            strength_model=0.5,
            strength_clip=0.5,
            model=["first", 0],
            clip=["first", 1],
        ),
        "first": node(
            "LoraLoaderModelOnly",
            lora_name="detail.safetensors",
            strength_model=0.8,
            model=["shift", 0],
        ),
        "shift": node("ModelSamplingSD3", shift=3.0, model=["model", 0]),
    },
    {
        **PLAIN_TABLE,
        "lora": "first.lora_name",
        "lora_strength": "first.strength_model",
        "lora_2": "second.lora_name",
        "lora_strength_2": "second.strength_model,second.strength_clip",
    },
)

BATCH = Kind(
    {
        **PLAIN,
        "size": node("EmptyLatentImage", width=512, height=512, batch_size=["count", 0]),
        "count": node("PrimitiveInt", value=4),
    },
    {**PLAIN_TABLE, "batch_size": "count.value"},
)

ONE_VALUE = Kind(
    {
        **PLAIN,
        "size": node("EmptyLatentImage", width=["side", 0], height=["side", 0], batch_size=1),
        "side": node("PrimitiveInt", value=512),
    },
    {**PLAIN_TABLE, "width": "side.value", "height": "side.value"},
)

CONFIGURED = Kind(
    {
        **PLAIN,
        "sampler": sampler(
            **{name: ["config", number] for number, name in enumerate(SETTINGS) if name != "seed"}
        ),
        "config": node(
            "KSampler Config (rgthree)",
            steps_total=30,
            refiner_step=24,
            cfg=8.0,
            sampler_name="euler",
            scheduler="normal",
            denoise=1.0,
        ),
    },
    {
        **PLAIN_TABLE,
        "steps": "config.steps_total",
        **{name: f"config.{name}" for name in ("cfg", "sampler_name", "scheduler", "denoise")},
    },
)

DANGLING = Kind({**PLAIN, "alone": node("LoadImage", image="a.png")}, PLAIN_TABLE)

CIRCLE = Kind(
    {
        **PLAIN,
        "sampler": sampler(positive=["a", 0], seed=["a", 0], model=["a", 0], latent_image=["a", 0]),
        "a": reroute(["b", 0]),
        "b": reroute(["a", 0]),
    },
    without(PLAIN_TABLE, "prompt", "seed", "model", "width", "height", "batch_size"),
)

NOWHERE = Kind(
    {**PLAIN, "sampler": sampler(positive=["gone", 0], steps=["gone", 1])},
    without(PLAIN_TABLE, "prompt", "steps"),
)

KINDS = {
    "primitives and reroutes": PRIMITIVES,
    "switches that are set": SWITCHED,
    "computed values": COMPUTED,
    "a stack of LoRAs": LORAS,
    "a batch": BATCH,
    "one value for two": ONE_VALUE,
    "a node of settings": CONFIGURED,
    "a node that nothing needs": DANGLING,
    "links in a circle": CIRCLE,
    "links to nowhere": NOWHERE,
}
