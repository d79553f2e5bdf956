#!lua
-- Set a field of a hash if its value begins with a prefix.
-- KEYS  1 the hash
-- ARGV  1 field  2 prefix (empty: set it always)  3 value
-- Returns the value afterwards; an empty text where there is none.

local value = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if string.sub(value, 1, #ARGV[2]) == ARGV[2] then
  value = ARGV[3]
  redis.call('HSET', KEYS[1], ARGV[1], value)
end
return value
