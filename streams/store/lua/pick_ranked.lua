#!lua flags=no-writes
-- Returns the leads at some positions of a ranking.
--
-- KEYS  1 ranking: lead id by negated score
-- ARGV  positions, 0 for the highest score
-- Returns {id, negated score, ...}, without positions that are beyond the last lead.

local found = {}
for _, position in ipairs(ARGV) do
  local lead = redis.call('ZRANGE', KEYS[1], position, position, 'WITHSCORES')
  if lead[1] then
    found[#found + 1] = lead[1]
    found[#found + 1] = lead[2]
  end
end
return found
