#!/bin/bash
#SBATCH --comment='trainconf adhoc-_time_-_id_ <hash>'
#SBATCH --cpus-per-task=1
#SBATCH --job-name=adhoc-_time_-_id_
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:TERM@15

trap '' USR1
exec <python> -I -S -Xutf8=<mode> <package>/agent/__main__.py '<workspace>/runs/adhoc/adhoc-<time>-<id>'
