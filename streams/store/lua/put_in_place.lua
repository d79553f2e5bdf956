#!lua
-- Replace a shard by its copies, if they are the expected ones. May be repeated.
-- KEYS  name of a copy, final name, name of a copy, final name, ...; the first two are those of ctl
-- ARGV  1 id of the step with which the copies begin
-- Returns the number of keys that were renamed.

if redis.call('HGET', KEYS[1], 'step') ~= ARGV[1] then return 0 end
local renamed = 0
for i = 1, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    redis.call('RENAME', KEYS[i], KEYS[i + 1])
    renamed = renamed + 1
  else
    redis.call('UNLINK', KEYS[i + 1])
  end
end
return renamed
