-- Earlier versions forgot where a task had ended when they looked at it again: late enough is where they stood.
UPDATE tasks SET closed_block = (SELECT next_block FROM pool)
WHERE stage IN ('completed', 'claimed') AND closed_block IS NULL;
