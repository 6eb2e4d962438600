"""What the models are called, as versions, scores and features are kept; nothing heavy is imported for it."""

NAMES = ("realbogus", "tree", "unet", "isolation_forest", "one_class_svm", "ensemble")
BEST_FIRST = ("ensemble", "realbogus", "unet", "tree")  # whose score orders the queue
ODD_BY = ("isolation_forest", "one_class_svm")  # tell how unlike others it is, not how real
EMBEDDING_OF = (
    "embedding_of"  # in a detector's ``config``: the digest of the network whose embedding it takes
)
MOVED = "ensemble."  # before the name of a model, in a candidate's features

CLASSIFY, UNET = "classify", "unet"  # the stages that score
OPENINGS = {UNET: "seen by ", CLASSIFY: "scored by "}  # of what they say
BY_NO_MODEL = f"{OPENINGS[CLASSIFY]}no model"  # where none could be read
