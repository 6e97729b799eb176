#!/bin/bash
#SBATCH --comment='trainconf adhoc-_time_-_id_ <hash>'
#SBATCH --cpus-per-task=1
#SBATCH --gpus-per-node=1
#SBATCH --job-name=adhoc-_time_-_id_
#SBATCH --mail-type=END,FAIL
#SBATCH --mem=16384M
#SBATCH --nodelist='node[1-3]'
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --partition=gpu
#SBATCH --requeue
#SBATCH --signal=B:TERM@15
#SBATCH --time=240

trap '' USR1
set -e
module load cuda
exec <python> -I -S -Xutf8=<mode> <package>/agent/__main__.py '<workspace>/runs/adhoc/adhoc-<time>-<id>'
