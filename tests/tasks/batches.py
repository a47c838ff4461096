"""A dataset of Keras that hands out what it was given."""

import keras


class Batches(keras.utils.PyDataset):
    """Columns (lists, arrays, dicts of these, None) in batches, with a count of how often one was asked for."""

    def __init__(self, *columns, batch_size, endless=False):
        super().__init__()
        self.columns, self.batch_size, self.endless, self.calls = columns, batch_size, endless, 0
        first = columns[0]
        self.size = len(next(iter(first.values())) if isinstance(first, dict) else first)

    @property
    def num_batches(self):
        return None if self.endless else -(-self.size // self.batch_size)

    def __getitem__(self, index):
        self.calls += 1
        start = index * self.batch_size % self.size
        part = slice(start, start + self.batch_size)

        def cut(column):
            if isinstance(column, dict):
                return {key: value[part] for key, value in column.items()}
            return None if column is None else column[part]

        return tuple(cut(column) for column in self.columns)
