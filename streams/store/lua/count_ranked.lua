#!lua flags=no-writes
-- Counts the leads of a ranking at or above each of some places.
--
-- KEYS  1 ranking: lead id by negated score
-- ARGV  negated scores
-- Returns a count for each. Reads O(log n) members for each, and counts none one by one.

local found = {}
for i, bound in ipairs(ARGV) do found[i] = redis.call('ZCOUNT', KEYS[1], '-inf', bound) end
return found
