"""The fake ComfyUI held against the recordings of real ones, and its faults one by one."""
