"""A stand-in for a ComfyUI server: same answers, no models, no GPU.

`recordings/` holds what two real servers answered; where this package and a recording
disagree, this package is wrong. `python -m tests.fake_comfyui --help` starts it by hand,
`tests.fake_comfyui.running.running_fake` starts it inside a test.
"""
