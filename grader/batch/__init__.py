"""A folder of submissions becomes a grade book. The arrows: `__main__` > `engines`, `book`, `page` > `task` > `entry`.

python -m grader.batch SUBMISSIONS --steps 02,05 --out DIR --jobs 4
python -m grader.batch.merge SHARD ... --out DIR
"""
