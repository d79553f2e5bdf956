#!lua flags=no-writes
-- Returns a page of a ranking that starts after a given lead, even if that lead is no longer in the ranking.
--
-- KEYS  1 ranking: lead id by negated score
-- ARGV  1 negated score and 2 id of the lead before the page; '' and '' for the first page
--       3 maximum number of leads
--       4 negated score to start at; '' for the highest
-- Returns {id, negated score, ...}. Reads O(log n * log n) members to find the start, then those that it returns.

local key, limit = KEYS[1], tonumber(ARGV[3])

local function less(a, b) -- compares bytes as the set does; `<` depends on the server's locale
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local first = 0
if ARGV[4] ~= '' then first = redis.call('ZCOUNT', key, '-inf', '(' .. ARGV[4]) end
if ARGV[1] ~= '' then
  local low = redis.call('ZCOUNT', key, '-inf', '(' .. ARGV[1])
  local high = redis.call('ZCOUNT', key, '-inf', ARGV[1])
  while low < high do -- the first member with this score and a greater id
    local middle = math.floor((low + high) / 2)
    if less(ARGV[2], redis.call('ZRANGE', key, middle, middle)[1]) then high = middle else low = middle + 1 end
  end
  first = math.max(first, low)
end
return redis.call('ZRANGE', key, first, first + limit - 1, 'WITHSCORES')
