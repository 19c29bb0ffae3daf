"""Interactive play: drive a world by hand, switch it under your hands, record what you did, tell it from reality."""
