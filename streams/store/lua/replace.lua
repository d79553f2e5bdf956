#!lua
-- Set a field of a hash if it has the expected value.
-- KEYS  1 the hash
-- ARGV  1 field  2 the expected value ('': none)  3 value
-- Returns the value afterwards; an empty text where there is none.

local value = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if value == ARGV[2] then
  value = ARGV[3]
  redis.call('HSET', KEYS[1], ARGV[1], value)
end
return value
