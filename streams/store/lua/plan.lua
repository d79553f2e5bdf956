#!lua
-- Replace the plan of a repartition, if it is the expected one.
-- KEYS  1 meta
-- ARGV  1 the expected plan ('': none)  2 the next plan ('': none)  3 field  4 value ...: fields that change with it
-- Returns 1 if it was replaced, else 0.

if (redis.call('HGET', KEYS[1], 'repartition') or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], 'repartition')
else
  redis.call('HSET', KEYS[1], 'repartition', ARGV[2])
end
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1
