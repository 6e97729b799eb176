"""ParameterServerStrategy at its smallest: the chief has the workers add up numbers in a variable that a parameter server holds."""

import tensorflow as tf

from trainconf import Run

cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
if cluster.task_type in ("worker", "ps"):
    server = tf.distribute.Server(cluster.cluster_spec(), job_name=cluster.task_type, task_index=cluster.task_id, protocol="grpc")
    server.join()  # does not return: whoever started it ends it

strategy = tf.distribute.ParameterServerStrategy(cluster)
coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
with strategy.scope():
    total = tf.Variable(0.0)


@tf.function
def add(number):
    total.assign_add(number)


for number in range(1, 11):
    coordinator.schedule(add, args=(tf.constant(float(number)),))
coordinator.join()
run = Run.get_context()
run.log("total", total.numpy())
run.log("held_by", total.device)
run.log("workers", strategy._num_workers)
