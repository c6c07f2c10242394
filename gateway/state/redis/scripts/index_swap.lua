-- Puts a generation that has been built in the place of the one in use.
-- KEYS: head in use, head of the one built, hash of old generations. ARGV: identity, generation.
-- Gives 1 when done, 0 when the one in use has come further, -1 when there is no such build.
local built = redis.call('HMGET', KEYS[2], 'identity', 'generation', 'n')
if built[1] ~= ARGV[1] or built[2] ~= ARGV[2] then return -1 end
local head = redis.call('HMGET', KEYS[1], 'identity', 'generation', 'n', 'buckets')
if head[1] == ARGV[1] and tonumber(head[3]) > tonumber(built[3]) then return 0 end
if head[2] then redis.call('HSET', KEYS[3], head[2], head[4]) end
redis.call('RENAME', KEYS[2], KEYS[1])
return 1
