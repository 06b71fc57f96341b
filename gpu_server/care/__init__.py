"""What keeps ComfyUI and the GPU in order while nobody looks."""
