#!lua
-- Remove a shard, if nothing has written it since.
-- KEYS  1 ctl, and all other keys of the shard
-- ARGV  1 id of its last step
-- Returns the number of keys that were removed.

if redis.call('HGET', KEYS[1], 'step') ~= ARGV[1] then return 0 end
return redis.call('UNLINK', unpack(KEYS))
