"""What the files of a camera are like whose chips lie beside each other on the sky."""

SIDE = 256
CHIPS = ("CCD1", "CCD2", "CCD3")
