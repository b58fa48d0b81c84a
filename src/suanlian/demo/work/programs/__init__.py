"""Programs that are sent to a platform as they are, one file each; nothing imports them, they import none of ours."""
